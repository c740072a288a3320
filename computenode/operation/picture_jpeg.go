package operation

import (
	"bytes"
	"encoding/binary"
)

// measureJPEG walks the segments to the end marker, FF D9. It is not enough to
// look for FF D9 anywhere: thumbnails within a segment have their own, and
// cameras write more behind the picture's. Decoders do not complain about a
// picture that stops early; they fill it up with gray.
func measureJPEG(data []byte) (size, error) {
	var s size
	at := 2
	for {
		// The next marker: FF, then neither a stuffed zero nor a fill byte.
		next := bytes.IndexByte(data[at:], 0xff)
		if next < 0 || at+next+1 >= len(data) {
			return s, errCut
		}
		at += next + 1
		marker := data[at]
		switch {
		case marker == 0xff: // a fill byte; look at it again
			continue
		case marker == 0x00, marker == 0x01, marker >= 0xd0 && marker <= 0xd8: // no segment follows
			at++
			continue
		case marker == 0xd9:
			return s, nil
		}
		at++
		if at+2 > len(data) {
			return s, errCut
		}
		length := int(binary.BigEndian.Uint16(data[at:]))
		if length < 2 {
			return s, errBroken
		}
		if at+length > len(data) {
			return s, errCut
		}
		if isFrame(marker) && s == (size{}) {
			if length < 7 {
				return s, errBroken
			}
			s.h = int64(binary.BigEndian.Uint16(data[at+3:]))
			s.w = int64(binary.BigEndian.Uint16(data[at+5:]))
		}
		at += length
	}
}

// isFrame tells the SOFn markers from DHT, JPG and DAC, which lie among them.
func isFrame(marker byte) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}
