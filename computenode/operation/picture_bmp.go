package operation

import "encoding/binary"

// measureBMP reads the size; a negative height means rows from the top.
func measureBMP(data []byte) (size, error) {
	if len(data) < 26 {
		return size{}, errCut
	}
	little := binary.LittleEndian
	if little.Uint32(data[14:]) == 12 { // OS/2
		return size{int64(little.Uint16(data[18:])), int64(little.Uint16(data[20:]))}, nil
	}
	h := int64(int32(little.Uint32(data[22:])))
	return size{int64(int32(little.Uint32(data[18:]))), max(h, -h)}, nil
}
