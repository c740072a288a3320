package sound

// replace takes old out of a sorted window and puts fresh in, in one pass.
func replace(window []float32, old, fresh float32) {
	i := 0
	for window[i] != old {
		i++
	}
	for ; i+1 < len(window) && window[i+1] < fresh; i++ {
		window[i] = window[i+1]
	}
	for ; i > 0 && window[i-1] > fresh; i-- {
		window[i] = window[i-1]
	}
	window[i] = fresh
}

// slide gives, for each place of values, the median of those around it, reach on
// both sides; beyond the ends is silence. The window has 2·reach+1 places.
func slide(dst, values, window []float32) {
	clear(window)
	reach := len(window) / 2
	for i := range len(values) + reach {
		var old, fresh float32
		if i < len(values) {
			fresh = values[i]
		}
		if i >= len(window) {
			old = values[i-len(window)]
		}
		replace(window, old, fresh)
		if i >= reach {
			dst[i-reach] = window[reach]
		}
	}
}
