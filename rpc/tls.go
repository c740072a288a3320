package rpc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"spillway/job"
)

// What mends a handshake, whichever side sees it fail.
const (
	hintBoth      = "start both sides with --tls-cert, --tls-key and --tls-ca, or neither"
	hintAuthority = "give all programs the same --tls-ca, and certificates made with it"
	hintUsage     = "make it for both uses, extendedKeyUsage = serverAuth, clientAuth"
	hintBad       = "see what the peer says; a certificate must name the address and the role of its program, and be for serverAuth and clientAuth"
	hintRenew     = "make a new one, or set the clock right"
)

// TLS names the files of mutual TLS, all in PEM. The zero value is no TLS.
type TLS struct {
	// Cert is this program's certificate, followed by those between it and the
	// authority, if there are any.
	Cert string
	// Key is the private key of Cert, without a passphrase.
	Key string
	// CA has the certificates of the authorities that peers, and Cert, must be from.
	CA string
	// Roles is "off" where every certificate of the authority may do everything,
	// under any name. Default "on": what a peer may do stands in its certificate.
	Roles string
}

// Flags adds --tls-cert, --tls-key, --tls-ca and --tls-roles by calling add, which
// is the StringVar of a set of flags.
func (t *TLS) Flags(add func(value *string, name, fallback, usage string)) {
	add(&t.Cert, "tls-cert", "", "`file` with this program's certificate, which turns TLS on; needs the next two (docs/tls.md)")
	add(&t.Key, "tls-key", "", "`file` with the private key of --tls-cert")
	add(&t.CA, "tls-ca", "", "`file` with the authority that peers' certificates must be from")
	add(&t.Roles, "tls-roles", rolesOn, "`on|off`; off: any certificate of the authority may do everything")
}

// Validate reports flags that make sense only together. It reads no file.
// Errors: InvalidArgument, naming the flag.
func (t TLS) Validate() error {
	if t.Roles != "" && t.Roles != rolesOn && t.Roles != rolesOff {
		return job.E(job.InvalidArgument, "--tls-roles "+job.Shown(t.Roles), errors.New("it is neither on nor off"), "use --tls-roles=on or --tls-roles=off")
	}
	if t.none() {
		return nil
	}
	for _, f := range []struct{ flag, value string }{{"--tls-cert", t.Cert}, {"--tls-key", t.Key}, {"--tls-ca", t.CA}} {
		if f.value == "" {
			return job.E(job.InvalidArgument, f.flag, errors.New("it is missing"),
				"give --tls-cert, --tls-key and --tls-ca, or none of them")
		}
	}
	return nil
}

// The values of --tls-roles.
const (
	rolesOn  = "on"
	rolesOff = "off"
)

// none tells that no TLS is asked for.
func (t TLS) none() bool { return t.Cert == "" && t.Key == "" && t.CA == "" }

// Credentials are what a program shows to its peers over TLS and checks theirs
// by. They do not change, and may be used concurrently. A nil *Credentials
// stands for no TLS.
type Credentials struct {
	cert        tls.Certificate
	authorities *x509.CertPool
	anyRole     bool // every certificate of the authorities may do everything
	peer        Role // of who is dialled; "": any
}

// Load reads the files, once: a program that is to use others must be started
// again. It is nil where t names none. What no peer would accept is an error here
// already, such as a certificate without the role as, of the program that loads it.
//
// Errors: InvalidArgument, naming the flag and the file.
func (t TLS) Load(as Role) (*Credentials, error) {
	if err := t.Validate(); err != nil || t.none() {
		return nil, err
	}
	var texts [3][]byte
	for i, f := range []struct{ flag, path string }{{"--tls-cert ", t.Cert}, {"--tls-key ", t.Key}, {"--tls-ca ", t.CA}} {
		text, err := os.ReadFile(f.path)
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			err = pe.Err
		}
		if err != nil {
			return nil, job.E(job.InvalidArgument, f.flag+job.Shown(f.path), err, "name a PEM file that this user may read")
		}
		texts[i] = text
	}
	cert, err := tls.X509KeyPair(texts[0], texts[1])
	if err != nil {
		return nil, job.E(job.InvalidArgument, "--tls-cert "+job.Shown(t.Cert)+" with --tls-key "+job.Shown(t.Key), untagged(err),
			"name a certificate and the key that it was made for, both in PEM")
	}
	c := &Credentials{cert: cert, authorities: x509.NewCertPool(), anyRole: t.Roles == rolesOff}
	if !c.authorities.AppendCertsFromPEM(texts[2]) {
		return nil, job.E(job.InvalidArgument, "--tls-ca "+job.Shown(t.CA), errors.New("it has no certificate"), "name the authority's own, in PEM")
	}
	if err := c.check(as); err != nil {
		return nil, job.E(job.InvalidArgument, "--tls-cert "+job.Shown(t.Cert), err, job.HintOf(err))
	}
	return c, nil
}

// check verifies our own certificate as a peer with the same authority will.
func (c *Credentials) check(as Role) error {
	between := x509.NewCertPool()
	for _, der := range c.cert.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(cert)
		}
	}
	_, err := c.cert.Leaf.Verify(x509.VerifyOptions{
		Roots: c.authorities, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err == nil && !c.anyRole && !bears(c.cert.Leaf, as) {
		return roleError(job.InvalidArgument, "", c.cert.Leaf, as.String(), as)
	}
	return explainTLS(err)
}

// server is how we answer: only to peers with a certificate.
func (c *Credentials) server() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{c.cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    c.authorities,

		SessionTicketsDisabled:      true, // so that each connection shows a certificate that is still good
		DynamicRecordSizingDisabled: true, // a part of a message is of no use to anybody
	}
}

// Web is how browsers and scripts are answered over HTTPS: with this program's
// certificate, and without asking for theirs. nil of nil Credentials.
func (c *Credentials) Web() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c.cert}}
}

// client is how we call a peer whose certificate must name host, a name or an IP,
// and have the role that we expect.
func (c *Credentials) client(host string) *tls.Config {
	host, _, _ = strings.Cut(host, "%") // no certificate names an interface
	if host == "" {
		host = "localhost"
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    c.authorities,
		ServerName: host,
		// Ours even if the peer asks for one of another authority: then it can say
		// what is wrong with it, instead of that there is none.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.cert, nil },

		VerifyConnection: func(s tls.ConnectionState) error { return c.checkPeer(s.PeerCertificates) },

		DynamicRecordSizingDisabled: true,
	}
}

// explainTLS makes an error with a hint of what went wrong between two peers;
// errors that are not of TLS, and nil, stay as they are.
func explainTLS(err error) error {
	if err == nil {
		return nil
	}
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return job.E(job.Unavailable, "", fmt.Errorf("the peer does not speak TLS: %w", untagged(plain)), hintBoth)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return job.E(job.Unavailable, "", fmt.Errorf("the peer refuses: %w", untagged(op.Err)), refusalHint(op.Err))
	}
	if why, hint := untrusted(err); why != "" {
		return job.E(job.Unavailable, "", errors.New(why), hint)
	}
	if strings.HasPrefix(err.Error(), "tls: ") { // such as a client without a certificate
		return job.E(job.Unavailable, "", fmt.Errorf("the TLS handshake: %w", untagged(err)), hintBoth)
	}
	return err
}

// untrusted says what is wrong with a certificate, "" where that is not the trouble.
func untrusted(err error) (why, hint string) {
	if wrong, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("the certificate is not for %s, only for %s", wrong.Host, named(wrong.Certificate)),
			"make one that names it, or call the peer by a name that the certificate has"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is not from the authority in --tls-ca", hintAuthority
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case !ok:
		return "", ""
	case invalid.Reason == x509.Expired && invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore):
		return "the certificate is good only from " + invalid.Cert.NotBefore.UTC().Format(time.RFC3339), hintRenew
	case invalid.Reason == x509.Expired && invalid.Cert != nil:
		return "the certificate expired at " + invalid.Cert.NotAfter.UTC().Format(time.RFC3339), hintRenew
	case invalid.Reason == x509.IncompatibleUsage:
		return "the certificate is not for this use", hintUsage
	}
	return job.Shown(invalid.Error()), hintAuthority
}

// named lists what a certificate is for, which a stranger may have written.
func named(cert *x509.Certificate) string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no address"
	}
	return job.Shown(fmt.Sprintf("%.200s", strings.Join(names, ", ")))
}

// refusalHint mends what an alert of the peer tells.
func refusalHint(alert error) string {
	hints := map[tls.AlertError]string{
		42: hintBad,       // bad certificate
		45: hintRenew,     // expired certificate
		48: hintAuthority, // unknown certificate authority
	}
	for code, hint := range hints {
		if alert.Error() == code.Error() { // the alert's own type is not exported
			return hint
		}
	}
	return hintBoth
}

// untagged is err without the name of the package that it is from.
func untagged(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "tls: ")) }
