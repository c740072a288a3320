#ifndef SPILLWAY_OPENCV_SHIM_H
#define SPILLWAY_OPENCV_SHIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Every function returns SHIM_OK, or says in *err what was thrown. mat is a
// cv::Mat*, bytes a std::vector<uchar>*. No pointer is kept.
enum { SHIM_OK = 0, SHIM_THROWN = 1, SHIM_REFUSED = 2 };

typedef struct {
  int code;
  char text[400];
} shim_error;

int shim_decode(const void *data, size_t size, void *mat, shim_error *err);
int shim_encode(const char *ext, void *mat, void **bytes, shim_error *err);
const unsigned char *shim_bytes(void *bytes, size_t *size);
void shim_free_bytes(void *bytes);

int shim_canny(void *src, void *dst, double low, double high, int aperture, shim_error *err);
int shim_threshold(void *src, void *dst, double level, int otsu, shim_error *err);
int shim_halve(void *mat, shim_error *err);
int shim_paint(void *mat, void *mask, int b, int g, int r, shim_error *err);

// A picture of one piece and an even size, from planes and to them; see planes.h. yuv has
// 3 bytes for 2 pixels.
int shim_from_planes(const unsigned char *yuv, double kr, double kb, void *mat, shim_error *err);
int shim_to_planes(void *mat, double kr, double kb, unsigned char *yuv, shim_error *err);

// Writes the triangles of count points (x, y), from 0 to width and height, as numbers
// of points by threes, at most `most`, and how many there are into *found. pad is
// the room that is left around.
int shim_delaunay(const float *xy, int count, int width, int height, int pad, int *triangles, int most, int *found,
                  shim_error *err);

void shim_terminate(void);

#ifdef __cplusplus
}
#endif

#endif
