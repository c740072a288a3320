//go:build gocv_specific_modules && gocv_photo

#include "shim.h"

#include "planes.h"

#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <unordered_map>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace {

int thrown(shim_error *err, int code, const char *text) {
  err->code = code;
  std::strncpy(err->text, text, sizeof err->text - 1);
  err->text[sizeof err->text - 1] = 0;
  return SHIM_THROWN;
}

// guard runs f, whose result is the call's, and lets no exception out.
template <class F> int guard(shim_error *err, F f) {
  try {
    return f();
  } catch (const cv::Exception &e) {
    return thrown(err, e.code, e.err.empty() ? e.what() : e.err.c_str());
  } catch (const std::bad_alloc &) {
    return thrown(err, cv::Error::StsNoMem, "bad_alloc");
  } catch (const std::exception &e) {
    return thrown(err, 0, e.what());
  } catch (...) {
    return thrown(err, 0, "unknown C++ exception");
  }
}

cv::Mat &at(void *mat) { return *static_cast<cv::Mat *>(mat); }

}  // namespace

// Not the imdecode that fills a given Mat: where it finds no picture it leaves,
// and returns, the one that was there before.
int shim_decode(const void *data, size_t size, void *mat, shim_error *err) {
  return guard(err, [&] {
    const cv::Mat raw(1, static_cast<int>(size), CV_8U, const_cast<void *>(data));
    at(mat) = cv::imdecode(raw, cv::IMREAD_COLOR);
    return at(mat).empty() || at(mat).type() != CV_8UC3 ? SHIM_REFUSED : SHIM_OK;
  });
}

int shim_encode(const char *ext, void *mat, void **bytes, shim_error *err) {
  return guard(err, [&] {
    auto out = std::make_unique<std::vector<uchar>>();
    if (!cv::imencode(ext, at(mat), *out) || out->empty()) return SHIM_REFUSED;
    *bytes = out.release();
    return SHIM_OK;
  });
}

const unsigned char *shim_bytes(void *bytes, size_t *size) {
  auto *out = static_cast<std::vector<uchar> *>(bytes);
  *size = out->size();
  return out->data();
}

void shim_free_bytes(void *bytes) { delete static_cast<std::vector<uchar> *>(bytes); }

int shim_canny(void *src, void *dst, double low, double high, int aperture, shim_error *err) {
  return guard(err, [&] {
    cv::Canny(at(src), at(dst), low, high, aperture);
    return SHIM_OK;
  });
}

int shim_threshold(void *src, void *dst, double level, int otsu, shim_error *err) {
  return guard(err, [&] {
    cv::threshold(at(src), at(dst), level, 255, cv::THRESH_BINARY | (otsu ? cv::THRESH_OTSU : 0));
    return SHIM_OK;
  });
}

// A shift is a table of v/2 that the compiler turns into vector code.
int shim_halve(void *mat, shim_error *err) {
  return guard(err, [&] {
    cv::Mat &m = at(mat);
    CV_Assert(m.depth() == CV_8U);
    const size_t wide = static_cast<size_t>(m.cols) * m.elemSize();
    for (int y = 0; y < m.rows; y++) {
      uchar *row = m.ptr<uchar>(y);
      for (size_t x = 0; x < wide; x++) row[x] >>= 1;
    }
    return SHIM_OK;
  });
}

int shim_paint(void *mat, void *mask, int b, int g, int r, shim_error *err) {
  return guard(err, [&] {
    CV_Assert(at(mask).size() == at(mat).size());
    at(mat).setTo(cv::Scalar(b, g, r), at(mask));
    return SHIM_OK;
  });
}

int shim_from_planes(const unsigned char *yuv, double kr, double kb, void *mat, shim_error *err) {
  return guard(err, [&] {
    cv::Mat &m = at(mat);
    planes::toColour(yuv, m.cols, m.rows, kr, kb, m.data);
    return SHIM_OK;
  });
}

int shim_to_planes(void *mat, double kr, double kb, unsigned char *yuv, shim_error *err) {
  return guard(err, [&] {
    const cv::Mat &m = at(mat);
    if (m.channels() == 1) {
      planes::ofGray(m.data, m.cols, m.rows, yuv);
    } else {
      planes::ofColour(m.data, m.cols, m.rows, kr, kb, yuv);
    }
    return SHIM_OK;
  });
}

// Subdiv2D has vertices of its own beyond the box; a triangle with one of them is
// none of ours. A point that comes twice is one vertex, and keeps its first number.
int shim_delaunay(const float *xy, int count, int width, int height, int pad, int *triangles, int most, int *found,
                  shim_error *err) {
  return guard(err, [&] {
    cv::Subdiv2D mesh(cv::Rect(-pad, -pad, width + 2 * pad, height + 2 * pad));
    std::unordered_map<int, int> number;
    for (int i = 0; i < count; i++) number.emplace(mesh.insert(cv::Point2f(xy[2 * i], xy[2 * i + 1])), i);
    std::vector<int> edges;  // one of each triangle
    mesh.getLeadingEdgeList(edges);
    *found = 0;
    for (const int first : edges) {
      int edge = first, corner[3], corners = 0;
      for (; corners < 3; corners++) {
        const auto at = number.find(mesh.edgeOrg(edge));
        if (at == number.end()) break;
        corner[corners] = at->second;
        edge = mesh.getEdge(edge, cv::Subdiv2D::NEXT_AROUND_LEFT);
      }
      if (corners < 3 || edge != first) continue;  // that edge bounds the outside
      CV_Assert(*found < most);
      std::memcpy(triangles + 3 * (*found)++, corner, sizeof corner);
    }
    return SHIM_OK;
  });
}

void shim_terminate(void) { std::terminate(); }
