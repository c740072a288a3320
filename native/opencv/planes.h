#ifndef SPILLWAY_OPENCV_PLANES_H
#define SPILLWAY_OPENCV_PLANES_H

// Pictures of an even width and height between blue, green and red, 3 bytes a pixel,
// and planes: luma, then both kinds of chroma at half the resolution (I420), of 16 to 235
// and 16 to 240. kr and kb are red's and blue's weights in luma. What goes there and
// back keeps its chroma, but for rounding: the pixels of one chroma have it alike, and
// become their mean.
namespace planes {

void toColour(const unsigned char *yuv, int width, int height, double kr, double kb, unsigned char *bgr);
void ofColour(const unsigned char *bgr, int width, int height, double kr, double kb, unsigned char *yuv);
void ofGray(const unsigned char *gray, int width, int height, unsigned char *yuv);

}  // namespace planes

#endif
