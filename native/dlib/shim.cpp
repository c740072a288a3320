//go:build dlib && cgo

// What -mavx2 -mfma would say; cgo does not let the latter through.
#ifdef SPILLWAY_AVX2
#pragma GCC target("avx2,fma")
#endif

#include "shim.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <dlib/image_processing.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/image_transforms.h>

namespace {

// view lets dlib read a caller's pixels where they are.
template <class P>
struct view {
  const unsigned char *pixels;
  long width, height;
};

}  // namespace

// The names by which dlib asks an image for its parts.
namespace dlib {
template <class P>
struct image_traits<view<P>> {
  typedef P pixel_type;
};
template <class P>
struct image_traits<const view<P>> {
  typedef P pixel_type;
};
}  // namespace dlib

namespace {

template <class P>
long num_rows(const view<P> &v) { return v.height; }
template <class P>
long num_columns(const view<P> &v) { return v.width; }
template <class P>
const void *image_data(const view<P> &v) { return v.pixels; }
template <class P>
long width_step(const view<P> &v) { return v.width * static_cast<long>(sizeof(P)); }

int thrown(face_error *err, int code, const char *text) {
  err->code = code;
  std::strncpy(err->text, text, sizeof err->text - 1);
  err->text[sizeof err->text - 1] = 0;
  return FACE_THROWN;
}

// guard runs f and lets no exception out.
template <class F>
int guard(face_error *err, F f) {
  try {
    f();
    return FACE_OK;
  } catch (const std::bad_alloc &) {
    return thrown(err, FACE_MEMORY, "bad_alloc");
  } catch (const dlib::serialization_error &e) {
    return thrown(err, FACE_MODEL, e.what());
  } catch (const std::exception &e) {
    return thrown(err, FACE_OTHER, e.what());
  } catch (...) {
    return thrown(err, FACE_OTHER, "unknown C++ exception");
  }
}

// pictured calls f with the view that fits the number of channels.
template <class F>
void pictured(const unsigned char *pixels, int width, int height, int channels, F f) {
  if (channels == 1) {
    f(view<unsigned char>{pixels, width, height});
  } else {
    f(view<dlib::bgr_pixel>{pixels, width, height});
  }
}

using detections = std::vector<std::pair<double, dlib::rectangle>>;

template <class P>
detections detect(dlib::frontal_face_detector &detector, const view<P> &picture, int upsample, double threshold) {
  detections out;
  if (upsample == 0) {
    detector(picture, out, threshold);
    return out;
  }
  const dlib::pyramid_down<2> pyramid;
  dlib::array2d<P> large;
  dlib::pyramid_up(picture, large, pyramid);
  for (int i = 1; i < upsample; i++) dlib::pyramid_up(large, pyramid);
  detector(large, out, threshold);
  for (auto &face : out) face.second = dlib::rectangle(pyramid.rect_down(face.second, static_cast<unsigned>(upsample)));
  return out;
}

}  // namespace

int face_open_predictor(const char *path, void **predictor, face_error *err) {
  return guard(err, [&] {
    auto opened = std::make_unique<dlib::shape_predictor>();
    dlib::deserialize(path) >> *opened;
    *predictor = opened.release();
  });
}

int face_predictor_points(const void *predictor) {
  return static_cast<int>(static_cast<const dlib::shape_predictor *>(predictor)->num_parts());
}

void face_close_predictor(void *predictor) { delete static_cast<dlib::shape_predictor *>(predictor); }

int face_new_detector(void **detector, face_error *err) {
  return guard(err, [&] { *detector = new dlib::frontal_face_detector(dlib::get_frontal_face_detector()); });
}

void face_close_detector(void *detector) { delete static_cast<dlib::frontal_face_detector *>(detector); }

int face_detect(void *detector, const unsigned char *pixels, int width, int height, int channels, int upsample,
                double threshold, int most, face_box *boxes, int *found, face_error *err) {
  return guard(err, [&] {
    detections faces;
    auto &by = *static_cast<dlib::frontal_face_detector *>(detector);
    pictured(pixels, width, height, channels, [&](const auto &picture) { faces = detect(by, picture, upsample, threshold); });
    *found = std::min(most, static_cast<int>(faces.size()));
    for (int i = 0; i < *found; i++) {
      const dlib::rectangle &at = faces[static_cast<size_t>(i)].second;
      boxes[i] = {static_cast<int>(at.left()), static_cast<int>(at.top()), static_cast<int>(at.width()),
                  static_cast<int>(at.height()), faces[static_cast<size_t>(i)].first};
    }
  });
}

int face_landmarks(const void *predictor, const unsigned char *pixels, int width, int height, int channels,
                   const face_box *box, face_point *points, face_error *err) {
  return guard(err, [&] {
    const auto &by = *static_cast<const dlib::shape_predictor *>(predictor);
    const dlib::rectangle at(box->left, box->top, box->left + box->width - 1, box->top + box->height - 1);
    pictured(pixels, width, height, channels, [&](const auto &picture) {
      const dlib::full_object_detection shape = by(picture, at);
      for (unsigned long i = 0; i < shape.num_parts(); i++) {
        points[i] = {static_cast<int>(shape.part(i).x()), static_cast<int>(shape.part(i).y())};
      }
    });
  });
}

const char *face_instructions(void) {
#if defined(__AVX2__) && defined(__FMA__)
  return "avx2+fma";
#elif defined(__AVX__)
  return "avx";
#elif defined(__SSE4_1__)
  return "sse4.1";
#else
  return "baseline";
#endif
}
