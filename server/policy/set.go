package policy

import "math/bits"

// Set is a set of node indices. The zero Set is empty. It grows to the largest
// index that it ever held, and keeps that room when it is cleared.
type Set struct {
	words []uint64
	size  int
}

// Add puts i into the set.
func (s *Set) Add(i int) {
	for len(s.words) <= i/64 {
		s.words = append(s.words, 0)
	}
	bit := uint64(1) << (i % 64)
	if s.words[i/64]&bit == 0 {
		s.words[i/64] |= bit
		s.size++
	}
}

// AddAll puts the members of the other set into the set; nil: none.
func (s *Set) AddAll(other *Set) {
	if other == nil {
		return
	}
	s.grow(len(other.words))
	for w, word := range other.words {
		s.size += bits.OnesCount64(word &^ s.words[w])
		s.words[w] |= word
	}
}

// grow makes room for so many words.
func (s *Set) grow(words int) {
	if n := words - len(s.words); n > 0 {
		s.words = append(s.words, make([]uint64, n)...)
	}
}

// Remove takes i out of the set.
func (s *Set) Remove(i int) {
	if s.Has(i) {
		s.words[i/64] &^= uint64(1) << (i % 64)
		s.size--
	}
}

// nextWithout is the first member from i on that is not in out; −1: none.
func (s *Set) nextWithout(i int, out *Set) int {
	for w := i / 64; w < len(s.words); w++ {
		word := s.wordWithout(w, out)
		if w == i/64 {
			word &= ^uint64(0) << (i % 64)
		}
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// without is the members that are not in out, in rising order.
func (s *Set) without(out *Set) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for w := range s.words {
			for word := s.wordWithout(w, out); word != 0; word &= word - 1 {
				if !yield(w*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// lenWithout is how many members are not in out.
func (s *Set) lenWithout(out *Set) int {
	n := 0
	for w := range s.words {
		n += bits.OnesCount64(s.wordWithout(w, out))
	}
	return n
}

// nthWithout is the nth, from 0, of the members that are not in out, of which there are more.
func (s *Set) nthWithout(nth int, out *Set) int {
	for w := range s.words {
		word := s.wordWithout(w, out)
		if n := bits.OnesCount64(word); nth >= n {
			nth -= n
			continue
		}
		for ; nth > 0; nth-- {
			word &= word - 1
		}
		return w*64 + bits.TrailingZeros64(word)
	}
	return -1
}

// wordWithout is a word of the members that are not in out.
func (s *Set) wordWithout(w int, out *Set) uint64 {
	if out == nil || w >= len(out.words) {
		return s.words[w]
	}
	return s.words[w] &^ out.words[w]
}

// Has reports whether i is in the set. A nil Set is empty.
func (s *Set) Has(i int) bool {
	return s != nil && i/64 < len(s.words) && s.words[i/64]>>(i%64)&1 == 1
}

// Len is the number of members.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.size
}

// Clear empties the set.
func (s *Set) Clear() {
	clear(s.words)
	s.size = 0
}

// All calls yield for each member in rising order until it returns false.
func (s *Set) All(yield func(int) bool) {
	if s == nil {
		return
	}
	for w, word := range s.words {
		for word != 0 {
			if !yield(w*64 + bits.TrailingZeros64(word)) {
				return
			}
			word &= word - 1
		}
	}
}
