#ifndef SPILLWAY_DLIB_SHIM_H
#define SPILLWAY_DLIB_SHIM_H

#ifdef __cplusplus
extern "C" {
#endif

// Every function that can fail returns FACE_OK, or says in *err what was thrown.
// Pixels are 8-bit rows without a gap: one channel is gray, three are BGR. No
// pointer is kept.
enum { FACE_OK = 0, FACE_THROWN = 1 };

// What an error's code says; 0 is any other exception.
enum { FACE_OTHER = 0, FACE_MEMORY = 1, FACE_MODEL = 2 };

typedef struct {
  int code;
  char text[400];
} face_error;

typedef struct {
  int left, top, width, height;
  double score;
} face_box;

typedef struct {
  int x, y;
} face_point;

// A predictor is never changed once it is open: all threads may share it.
int face_open_predictor(const char *path, void **predictor, face_error *err);
int face_predictor_points(const void *predictor);
void face_close_predictor(void *predictor);

// A detector serves one caller at a time.
int face_new_detector(void **detector, face_error *err);
void face_close_detector(void *detector);

// Writes the faces that score best into boxes, at most most of them, the best
// first, and their number into *found. The picture is doubled upsample times.
int face_detect(void *detector, const unsigned char *pixels, int width, int height, int channels, int upsample,
                double threshold, int most, face_box *boxes, int *found, face_error *err);

// Writes as many points as the predictor has.
int face_landmarks(const void *predictor, const unsigned char *pixels, int width, int height, int channels,
                   const face_box *box, face_point *points, face_error *err);

// Names the vector instructions that the detector was compiled for.
const char *face_instructions(void);

#ifdef __cplusplus
}
#endif

#endif
