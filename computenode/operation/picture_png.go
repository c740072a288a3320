package operation

import "encoding/binary"

const pngSignature = "\x89PNG\r\n\x1a\n"

// measurePNG walks the chunks to IEND.
func measurePNG(data []byte) (size, error) {
	var s size
	rest := data[len(pngSignature):]
	for first := true; ; first = false {
		if len(rest) < 12 {
			return s, errCut
		}
		length := uint64(binary.BigEndian.Uint32(rest))
		kind := string(rest[4:8])
		if length+12 > uint64(len(rest)) {
			return s, errCut
		}
		if first {
			if kind != "IHDR" || length != 13 {
				return s, errBroken
			}
			s.w = int64(binary.BigEndian.Uint32(rest[8:]))
			s.h = int64(binary.BigEndian.Uint32(rest[12:]))
		}
		if kind == "IEND" {
			return s, nil
		}
		rest = rest[length+12:]
	}
}
