// Makes the three model files that go-face wants, of the right architecture and with
// random weights: they load and run as the real ones do, and know nobody. The detector
// of faces is part of dlib itself, so that faces are found all the same; equal pictures
// of a face have equal descriptors, and others have others.
//
//   random-models DIR [SEED]
//
// The face network is the residual network of K. He et al. ("Deep Residual Learning for
// Image Recognition", CVPR 2016) with 29 convolutions, as D. King trained it for dlib:
// 150 × 150 pixels to 128 numbers. The detector is his max-margin one over a small
// network ("Max-Margin Object Detection", 2015). The predictor is a cascade of
// regression trees (V. Kazemi and J. Sullivan, CVPR 2014) of five points.

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <dlib/dnn.h>
#include <dlib/image_processing.h>

namespace {

using namespace dlib;

// Normalisation is in its trained form, a factor and a sum for each channel, which is
// how a network is kept once it is trained.
template <int N, int STRIDE, class S>
using branch = affine<con<N, 3, 3, 1, 1, relu<affine<con<N, 3, 3, STRIDE, STRIDE, S>>>>>;

template <int N, class S>
using same = relu<add_prev1<branch<N, 1, tag1<S>>>>;

template <int N, class S>
using halved = relu<add_prev2<avg_pool<2, 2, 2, 2, skip1<tag2<branch<N, 2, tag1<S>>>>>>>;

template <class S>
using stem = max_pool<3, 3, 2, 2, relu<affine<con<32, 7, 7, 2, 2, S>>>>;

template <class S>
using early = same<64, same<64, same<64, halved<64, same<32, same<32, same<32, S>>>>>>>;

template <class S>
using late = halved<256, same<256, same<256, halved<256, same<128, same<128, halved<128, S>>>>>>>;

using face_network = loss_metric<fc_no_bias<128, avg_pool_everything<late<early<stem<input_rgb_image_sized<150>>>>>>>;

template <int N, int SIZE, int STRIDE, class S>
using filter = relu<affine<con<N, SIZE, SIZE, STRIDE, STRIDE, S>>>;

using detector_network = loss_mmod<con<1, 9, 9, 1, 1, filter<45, 5, 1, filter<45, 5, 1, filter<45, 5, 1,
    filter<32, 5, 2, filter<32, 5, 2, filter<16, 5, 2, input_rgb_image_pyramid<pyramid_down<6>>>>>>>>>>;

// by_channel has every normalisation be one of channels; other layers stay as they are.
struct by_channel {
  template <class T>
  void operator()(T &) const {}
  void operator()(affine_ &layer) const { layer = affine_(CONV_MODE); }
};

matrix<rgb_pixel> noise(long side, std::mt19937 &random) {
  matrix<rgb_pixel> picture(side, side);
  for (auto &pixel : picture) {
    const auto next = [&] { return static_cast<unsigned char>(random()); };
    pixel = rgb_pixel(next(), next(), next());
  }
  return picture;
}

// A layer draws its weights when something first goes through it.
void save_face_network(const std::string &path, std::mt19937 &random) {
  face_network net;
  visit_computational_layers(net, by_channel());
  const matrix<float, 0, 1> of_noise = net(noise(150, random));
  // Faces are much alike to random weights. The length is such that those of two
  // people are more than the usual 0.6 apart.
  layer<1>(net).layer_details().get_layer_params() *= 40 / length(of_noise);
  net.clean();
  serialize(path) << net;
}

void save_detector(const std::string &path, std::mt19937 &random) {
  const std::vector<std::vector<mmod_rect>> boxes(1, std::vector<mmod_rect>(1, mmod_rect(rectangle(10, 10, 89, 89))));
  detector_network net(mmod_options(boxes, 80, 40));
  visit_computational_layers(net, by_channel());
  net(noise(100, random));
  net.clean();
  serialize(path) << net;
}

// The mean shape is that of an upright face, as parts of its box: the corners of the
// eyes and the foot of the nose. Trees move each point by a hundredth or so.
void save_predictor(const std::string &path, std::mt19937 &random) {
  constexpr long points = 5, depth = 3, splits = (1 << depth) - 1, leaves = 1 << depth, trees = 20, pixels = 40;
  matrix<float, 0, 1> mean(2 * points);
  mean = 0.86f, 0.21f, 0.65f, 0.23f, 0.12f, 0.21f, 0.33f, 0.23f, 0.49f, 0.63f;
  std::uniform_real_distribution<float> place(0.1f, 0.9f), step(-0.001f, 0.001f);
  std::vector<impl::regression_tree> forest(trees);
  for (auto &tree : forest) {
    tree.splits.resize(splits);
    for (auto &split : tree.splits) {
      split.idx1 = random() % pixels;
      split.idx2 = random() % pixels;
      split.thresh = 30000 * step(random);
    }
    tree.leaf_values.resize(leaves);
    for (auto &leaf : tree.leaf_values) {
      leaf.set_size(2 * points);
      for (auto &value : leaf) value = step(random);
    }
  }
  std::vector<dlib::vector<float, 2>> looked_at(pixels);
  for (auto &pixel : looked_at) pixel = dlib::vector<float, 2>(place(random), place(random));
  serialize(path) << shape_predictor(mean, {forest}, {looked_at});
}

}  // namespace

int main(int count, char **args) {
  if (count < 2 || count > 3) {
    std::cerr << "usage: random-models DIR [SEED]\n";
    return 2;
  }
  try {
    const std::string dir = std::string(args[1]) + "/";
    const unsigned seed = count > 2 ? static_cast<unsigned>(std::stoul(args[2])) : 1;
    std::srand(seed);  // which dlib's layers draw from
    std::mt19937 random(seed);
    save_predictor(dir + "shape_predictor_5_face_landmarks.dat", random);
    save_face_network(dir + "dlib_face_recognition_resnet_model_v1.dat", random);
    save_detector(dir + "mmod_human_face_detector.dat", random);
  } catch (const std::exception &error) {
    std::cerr << "random-models: " << error.what() << "\n";
    return 1;
  }
}
