// Faces is the loop that our faces are held against: plain C++ with OpenCV and
// dlib, one thread a core, nothing checked.
//
//   faces [--points] [--upsample N] [--threads N] MODEL FOLDER
//
// It finds the faces of each picture of the folder, on at most 1280 pixels a
// side, and their points on the whole picture. It prints how many there were and
// how long it took, without the time to load the model; before that, with
// --points, a line a face: the file's name, the box (left, top, width, height), the
// score, and the points.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <dlib/image_processing.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/image_transforms.h>
#include <dlib/opencv.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace {

struct options {
  bool points = false;
  int upsample = 0;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::string model, folder;
};

using detections = std::vector<std::pair<double, dlib::rectangle>>;

detections detect(dlib::frontal_face_detector &detector, const cv::Mat &small, int upsample) {
  detections faces;
  const dlib::cv_image<dlib::bgr_pixel> picture(small);
  if (upsample == 0) {
    detector(picture, faces);
    return faces;
  }
  const dlib::pyramid_down<2> pyramid;
  dlib::array2d<dlib::bgr_pixel> large;
  dlib::pyramid_up(picture, large, pyramid);
  for (int i = 1; i < upsample; i++) dlib::pyramid_up(large, pyramid);
  detector(large, faces);
  for (auto &f : faces) f.second = dlib::rectangle(pyramid.rect_down(f.second, static_cast<unsigned>(upsample)));
  return faces;
}

// find does one picture and returns what --points prints of it.
std::string find(const std::string &file, const options &o, const dlib::shape_predictor &predictor,
                 dlib::frontal_face_detector &detector, std::atomic<long> &count) {
  const cv::Mat full = cv::imread(file);
  cv::Mat small = full;
  const double factor = std::max(full.cols, full.rows) / 1280.0;
  if (factor > 1) {
    cv::resize(full, small, cv::Size(std::max(1l, std::lround(full.cols / factor)), std::max(1l, std::lround(full.rows / factor))),
               0, 0, cv::INTER_AREA);
  }
  std::string text;
  for (const auto &f : detect(detector, small, o.upsample)) {
    dlib::rectangle at = f.second;
    if (factor > 1) {
      const auto wide = [&](long v) { return std::lround(static_cast<double>(v) * factor); };
      at = dlib::rectangle(wide(at.left()), wide(at.top()), wide(at.right() + 1) - 1, wide(at.bottom() + 1) - 1);
    }
    const dlib::full_object_detection shape = predictor(dlib::cv_image<dlib::bgr_pixel>(full), at);
    count++;
    if (!o.points) continue;
    char head[200];
    std::snprintf(head, sizeof head, " %ld %ld %lu %lu %.17g", at.left(), at.top(), at.width(), at.height(), f.first);
    text += std::filesystem::path(file).filename().string() + head;
    for (unsigned long i = 0; i < shape.num_parts(); i++) {
      text += " " + std::to_string(shape.part(i).x()) + " " + std::to_string(shape.part(i).y());
    }
    text += "\n";
  }
  return text;
}

int run(const options &o) {
  cv::setNumThreads(1);
  std::vector<std::string> files;
  for (const auto &entry : std::filesystem::directory_iterator(o.folder)) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  dlib::shape_predictor predictor;
  dlib::deserialize(o.model) >> predictor;
  const auto start = std::chrono::steady_clock::now();
  std::atomic<size_t> next{0};
  std::atomic<long> count{0};
  std::vector<std::string> texts(files.size());
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < o.threads; t++) {
    threads.emplace_back([&] {
      dlib::frontal_face_detector detector = dlib::get_frontal_face_detector();
      for (size_t i; (i = next++) < files.size();) texts[i] = find(files[i], o, predictor, detector, count);
    });
  }
  for (auto &t : threads) t.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const auto &text : texts) std::fputs(text.c_str(), stdout);
  std::printf("{\"pictures\": %zu, \"faces\": %ld, \"seconds\": %.6f}\n", files.size(), count.load(), seconds);
  return 0;
}

}  // namespace

int main(int argc, char **argv) {
  options o;
  std::vector<std::string> rest;
  for (int i = 1; i < argc; i++) {
    const std::string arg = argv[i];
    if (arg == "--points") {
      o.points = true;
    } else if (arg == "--upsample" && i + 1 < argc) {
      o.upsample = std::stoi(argv[++i]);
    } else if (arg == "--threads" && i + 1 < argc) {
      o.threads = static_cast<unsigned>(std::stoi(argv[++i]));
    } else {
      rest.push_back(arg);
    }
  }
  if (rest.size() != 2) {
    std::fputs("usage: faces [--points] [--upsample N] [--threads N] MODEL FOLDER\n", stderr);
    return 2;
  }
  o.model = rest[0];
  o.folder = rest[1];
  try {
    return run(o);
  } catch (const std::exception &e) {
    std::fprintf(stderr, "faces: %s\n", e.what());
    return 1;
  }
}
