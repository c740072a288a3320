package operation

import "encoding/binary"

// measureWebP reads the first chunk of a RIFF file, which says it all.
func measureWebP(data []byte) (size, error) {
	little := binary.LittleEndian
	if uint64(little.Uint32(data[4:]))+8 > uint64(len(data)) || len(data) < 30 {
		return size{}, errCut
	}
	body := data[20:]
	switch string(data[12:16]) {
	case "VP8 ": // lossy: a key frame's header
		if body[3] != 0x9d || body[4] != 0x01 || body[5] != 0x2a {
			return size{}, errBroken
		}
		return size{int64(little.Uint16(body[6:]) & 0x3fff), int64(little.Uint16(body[8:]) & 0x3fff)}, nil
	case "VP8L": // lossless: 14 bits each, less one
		if body[0] != 0x2f {
			return size{}, errBroken
		}
		bits := little.Uint32(body[1:])
		return size{int64(bits&0x3fff) + 1, int64(bits>>14&0x3fff) + 1}, nil
	case "VP8X": // extended: 24 bits each, less one
		const animated = 0x02
		if body[0]&animated != 0 {
			return size{}, errAnimation
		}
		return size{int64(little.Uint32(body[4:])&0xffffff) + 1, int64(little.Uint32(body[6:])>>8) + 1}, nil
	}
	return size{}, errBroken
}
