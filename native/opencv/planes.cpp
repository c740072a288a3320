//go:build gocv_specific_modules && gocv_photo

#include "planes.h"

#include <algorithm>
#include <vector>

#include <opencv2/core/hal/hal.hpp>

// Every loop is on integers alone, so that each build of it gives the same pixels.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define SPILLWAY_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define SPILLWAY_CLONES
#endif

namespace {

constexpr int kBits = 13;
constexpr int kHalf = 1 << (kBits - 1);

int fixed(double v) { return static_cast<int>(v < 0 ? v * (1 << kBits) - 0.5 : v * (1 << kBits) + 0.5); }

inline unsigned char clamp(int v) { return static_cast<unsigned char>(v < 0 ? 0 : v > 255 ? 255 : v); }

// Luma is kr·red + kg·green + kb·blue; it takes the values 16 to 235, and chroma, which is
// how far blue and red are from it, 16 to 240 (ITU-R BT.601 and BT.709).
struct Weights {
  double kr, kb;
};

struct ToColour {
  int luma, red_v, green_u, green_v, blue_u;
  explicit ToColour(Weights w)
      : luma(fixed(255.0 / 219)),
        red_v(fixed(2 * (1 - w.kr) * 255 / 224)),
        green_u(fixed(-2 * (1 - w.kb) * w.kb / (1 - w.kr - w.kb) * 255 / 224)),
        green_v(fixed(-2 * (1 - w.kr) * w.kr / (1 - w.kr - w.kb) * 255 / 224)),
        blue_u(fixed(2 * (1 - w.kb) * 255 / 224)) {}
};

struct ToPlanes {
  int luma[3], u[3], v[3];  // of blue, green, red
  explicit ToPlanes(Weights w) {
    const double k[3] = {w.kb, 1 - w.kr - w.kb, w.kr};
    const double blue = 224.0 / 255 / (2 * (1 - w.kb)), red = 224.0 / 255 / (2 * (1 - w.kr));
    for (int i = 0; i < 3; i++) {
      luma[i] = fixed(k[i] * 219 / 255);
      u[i] = fixed(((i == 0) - k[i]) * blue);
      v[i] = fixed(((i == 2) - k[i]) * red);
    }
    // What is gray stays gray, whatever was rounded.
    luma[1] = fixed(219.0 / 255) - luma[0] - luma[2];
    u[1] = -u[0] - u[2];
    v[1] = -v[0] - v[2];
  }
};

// A row of colour: what chroma adds, and the pixels.
struct Row {
  std::vector<int> add[3];
  std::vector<unsigned char> plane[3];
  explicit Row(int width) {
    for (int i = 0; i < 3; i++) add[i].resize(width), plane[i].resize(width);
  }
};

SPILLWAY_CLONES void chroma(const unsigned char *u, const unsigned char *v, int half, ToColour c, int *b, int *g, int *r) {
  for (int x = 0; x < half; x++) {
    const int du = u[x] - 128, dv = v[x] - 128;
    const int ab = c.blue_u * du, ag = c.green_u * du + c.green_v * dv, ar = c.red_v * dv;
    b[2 * x] = b[2 * x + 1] = ab;
    g[2 * x] = g[2 * x + 1] = ag;
    r[2 * x] = r[2 * x + 1] = ar;
  }
}

SPILLWAY_CLONES void colour(const unsigned char *luma, const int *add, int width, int scale, unsigned char *out) {
  for (int x = 0; x < width; x++) out[x] = clamp((scale * (luma[x] - 16) + add[x] + kHalf) >> kBits);
}

SPILLWAY_CLONES void brightness(const unsigned char *b, const unsigned char *g, const unsigned char *r, int width,
                                const int *k, unsigned char *out) {
  const int kb = k[0], kg = k[1], kr = k[2];
  for (int x = 0; x < width; x++)
    out[x] = static_cast<unsigned char>(16 + ((kb * b[x] + kg * g[x] + kr * r[x] + kHalf) >> kBits));
}

// The chroma of a pixel of half the resolution is that of the mean of its four.
SPILLWAY_CLONES void means(const unsigned char *top, const unsigned char *below, int half, int *out) {
  for (int x = 0; x < half; x++) out[x] = top[2 * x] + top[2 * x + 1] + below[2 * x] + below[2 * x + 1];
}

SPILLWAY_CLONES void difference(const int *b, const int *g, const int *r, int half, const int *k, unsigned char *out) {
  const int kb = k[0], kg = k[1], kr = k[2];
  for (int x = 0; x < half; x++)
    out[x] = static_cast<unsigned char>(128 + ((kb * b[x] + kg * g[x] + kr * r[x] + 4 * kHalf) >> (kBits + 2)));
}

SPILLWAY_CLONES void brightnessOfGray(const unsigned char *gray, size_t pixels, unsigned char *out) {
  const int scale = fixed(219.0 / 255);
  for (size_t i = 0; i < pixels; i++) out[i] = static_cast<unsigned char>(16 + ((scale * gray[i] + kHalf) >> kBits));
}

}  // namespace

namespace planes {

void toColour(const unsigned char *yuv, int width, int height, double kr, double kb, unsigned char *bgr) {
  const ToColour c(Weights{kr, kb});
  const size_t pixels = static_cast<size_t>(width) * height;
  const unsigned char *u = yuv + pixels, *v = u + pixels / 4;
  Row row(width);
  const unsigned char *planes[3] = {row.plane[0].data(), row.plane[1].data(), row.plane[2].data()};
  for (int y = 0; y < height; y++) {
    if (y % 2 == 0) {
      const size_t at = static_cast<size_t>(y / 2) * (width / 2);
      chroma(u + at, v + at, width / 2, c, row.add[0].data(), row.add[1].data(), row.add[2].data());
    }
    const size_t at = static_cast<size_t>(y) * width;
    for (int i = 0; i < 3; i++) colour(yuv + at, row.add[i].data(), width, c.luma, row.plane[i].data());
    cv::hal::merge8u(planes, bgr + 3 * at, width, 3);
  }
}

void ofColour(const unsigned char *bgr, int width, int height, double kr, double kb, unsigned char *yuv) {
  const ToPlanes k(Weights{kr, kb});
  const size_t pixels = static_cast<size_t>(width) * height;
  unsigned char *u = yuv + pixels, *v = u + pixels / 4;
  Row top(width), below(width);
  for (int y = 0; y < height; y += 2) {
    for (int i = 0; i < 2; i++) {
      Row &row = i == 0 ? top : below;
      unsigned char *planes[3] = {row.plane[0].data(), row.plane[1].data(), row.plane[2].data()};
      const size_t at = static_cast<size_t>(y + i) * width;
      cv::hal::split8u(bgr + 3 * at, planes, width, 3);
      brightness(planes[0], planes[1], planes[2], width, k.luma, yuv + at);
    }
    for (int i = 0; i < 3; i++) means(top.plane[i].data(), below.plane[i].data(), width / 2, top.add[i].data());
    const size_t at = static_cast<size_t>(y / 2) * (width / 2);
    difference(top.add[0].data(), top.add[1].data(), top.add[2].data(), width / 2, k.u, u + at);
    difference(top.add[0].data(), top.add[1].data(), top.add[2].data(), width / 2, k.v, v + at);
  }
}

void ofGray(const unsigned char *gray, int width, int height, unsigned char *yuv) {
  const size_t pixels = static_cast<size_t>(width) * height;
  brightnessOfGray(gray, pixels, yuv);
  std::fill(yuv + pixels, yuv + pixels + pixels / 2, static_cast<unsigned char>(128));
}

}  // namespace planes
