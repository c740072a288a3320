package operation

import "encoding/binary"

// Tags and types of TIFF that give a picture's size.
const (
	tiffWidth, tiffHeight        = 256, 257
	tiffShort, tiffLong, tiffBig = 3, 4, 16
)

func isTIFF(data []byte) bool {
	if len(data) < 4 {
		return false
	}
	switch string(data[:4]) {
	case "II*\x00", "MM\x00*", "II+\x00", "MM\x00+":
		return true
	}
	return false
}

// tiffLayout is what differs between TIFF and BigTIFF, in bytes.
type tiffLayout struct {
	order              binary.ByteOrder
	start, word, count int // where the first directory's offset stands; sizes of an offset and of a count
}

// measureTIFF reads the first directory.
func measureTIFF(data []byte) (size, error) {
	l := tiffLayout{order: binary.LittleEndian, start: 4, word: 4, count: 2}
	if data[0] == 'M' {
		l.order = binary.BigEndian
	}
	if data[2] == '+' || data[3] == '+' {
		l.start, l.word, l.count = 8, 8, 8
	}
	at, ok := l.number(data, uint64(l.start), l.word)
	if !ok {
		return size{}, errCut
	}
	entries, ok := l.number(data, at, l.count)
	if !ok {
		return size{}, errCut
	}
	var s size
	at += uint64(l.count)
	for ; entries > 0 && (s.w == 0 || s.h == 0); entries-- {
		tag, ok := l.number(data, at, 2)
		if !ok {
			return size{}, errCut
		}
		value, ok := l.value(data, at)
		switch {
		case tag != tiffWidth && tag != tiffHeight:
		case !ok:
			return size{}, errBroken
		case tag == tiffWidth:
			s.w = int64(value)
		default:
			s.h = int64(value)
		}
		at += uint64(4 + 2*l.word)
	}
	return s, nil
}

// value is the number that the directory entry at an offset holds.
func (l tiffLayout) value(data []byte, at uint64) (uint64, bool) {
	kind, ok := l.number(data, at+2, 2)
	if !ok {
		return 0, false
	}
	field := at + 4 + uint64(l.word)
	switch kind {
	case tiffShort:
		return l.number(data, field, 2)
	case tiffLong:
		return l.number(data, field, 4)
	case tiffBig:
		return l.number(data, field, 8)
	}
	return 0, false
}

// number reads bytes at an offset; false beyond the data's end.
func (l tiffLayout) number(data []byte, at uint64, bytes int) (uint64, bool) {
	if at > uint64(len(data)) || uint64(len(data))-at < uint64(bytes) {
		return 0, false
	}
	field := data[at:]
	switch bytes {
	case 2:
		return uint64(l.order.Uint16(field)), true
	case 4:
		return uint64(l.order.Uint32(field)), true
	}
	return l.order.Uint64(field), true
}
