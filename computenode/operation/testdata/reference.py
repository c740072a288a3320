"""Makes inputs and what OpenCV's Python module makes of them.

    reference.py DIR OPERATION...

writes DIR/input_dir/* and, for the n-th operation, DIR/expected/n/*. It needs
numpy and cv2 (Debian: python3-opencv) and nothing else.
"""

import os
import struct
import sys

import cv2
import numpy as np

RANDOM = np.random.default_rng(7)


def photo(h, w):
    """Something with gradients, edges, texture and noise."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    base = np.stack([127 + 120 * np.sin(x / 17 + y / 29), 255 * x / max(w - 1, 1), 255 * y / max(h - 1, 1)], axis=2)
    img = np.clip(base + RANDOM.normal(0, 6, (h, w, 3)), 0, 255).astype(np.uint8)
    cv2.circle(img, (w // 2, h // 2), min(h, w) // 4, (30, 200, 240), -1)
    cv2.rectangle(img, (w // 8, h // 8), (w // 3, h // 3), (220, 20, 60), 3)
    return img


def encoded(ext, img, params=()):
    ok, data = cv2.imencode(ext, img, list(params))
    assert ok, ext
    return data.tobytes()


def with_exif(jpeg, orientation, order="<"):
    """A JPEG with an EXIF segment that holds nothing but the orientation."""
    mark = b"II" if order == "<" else b"MM"
    tiff = mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def png_with_exif(png, orientation):
    import zlib
    tiff = b"MM" + struct.pack(">HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    chunk = struct.pack(">I", len(tiff)) + b"eXIf" + tiff + struct.pack(">I", zlib.crc32(b"eXIf" + tiff))
    return png[:33] + chunk + png[33:]


def cmyk_jpeg(blocks_h, blocks_w):
    """A four-component baseline JPEG as Adobe's programs write it, of flat 8 x 8
    blocks: every block is one DC difference and an end of block."""
    segment = lambda marker, body: bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
    out = b"\xff\xd8" + segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 0))
    out += segment(0xDB, b"\0" + bytes([8] * 64))
    frame = struct.pack(">BHHB", 8, blocks_h * 8, blocks_w * 8, 4)
    out += segment(0xC0, frame + b"".join(bytes([c, 0x11, 0]) for c in range(1, 5)))
    # DC: twelve categories with codes of four bits; AC: only the end of block, one bit.
    out += segment(0xC4, b"\0" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
    out += segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")
    out += segment(0xDA, b"\4" + b"".join(bytes([c, 0]) for c in range(1, 5)) + b"\0\x3f\0")
    bits, last = "", [0] * 4
    for _ in range(blocks_h * blocks_w):
        for c in range(4):
            value = int(RANDOM.integers(-120, 120))
            diff, last[c] = value - last[c], value
            category = abs(diff).bit_length()
            bits += format(category, "04b")
            if category:
                bits += format(diff if diff > 0 else diff + (1 << category) - 1, "0%db" % category)
            bits += "0"
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return out + scan.replace(b"\xff", b"\xff\0") + b"\xff\xd9"


def inputs():
    img = photo(97, 143)
    gray = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
    deep = img.astype(np.uint16) * 257 - RANDOM.integers(0, 200, img.shape).astype(np.uint16) * (img > 0)
    alpha = np.dstack([img, RANDOM.integers(0, 256, img.shape[:2]).astype(np.uint8)])
    jpeg = encoded(".jpg", img)
    files = {
        "colour.png": encoded(".png", img),
        "gray.png": encoded(".png", gray),
        "sixteen bits.png": encoded(".png", deep),
        "sixteen bits gray.png": encoded(".png", deep[:, :, 0]),
        "alpha.png": encoded(".png", alpha),
        "exif.png": png_with_exif(encoded(".png", img), 6),
        "one pixel.png": encoded(".png", img[:1, :1]),
        "line.png": encoded(".png", img[:1, :40]),
        "colour.bmp": encoded(".bmp", img),
        "gray.bmp": encoded(".bmp", gray),
        "colour.tif": encoded(".tif", img),
        "sixteen.tiff": encoded(".tiff", deep),
        "float.tif": encoded(".tif", (img / 255).astype(np.float32)),
        "colour.webp": encoded(".webp", img),
        "lossless.webp": encoded(".webp", img, [cv2.IMWRITE_WEBP_QUALITY, 101]),
        "alpha.webp": encoded(".webp", alpha),
        "colour.jpg": jpeg,
        "gray.jpg": encoded(".jpg", gray),
        "progressive.jpeg": encoded(".jpg", img, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        "restarts.jpg": encoded(".jpg", img, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]),
        "UPPER.JPG": jpeg,
        "trailing bytes.jpg": jpeg + b"\0" * 5000 + jpeg[:300],
        "cmyk.jpg": cmyk_jpeg(7, 9),
        "a png in truth.jpg": encoded(".png", img),
        "Ein Bild mit Umlaut – größer, 絵, 🖼.png": encoded(".png", img[:50]),
    }
    for orientation in range(1, 9):
        files["exif %d.jpg" % orientation] = with_exif(jpeg, orientation, "<>"[orientation % 2])
    return files


def edges(img):
    gray = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
    mask = cv2.Canny(cv2.blur(gray, (3, 3)), 10, 30, apertureSize=5)
    out = np.uint8(img / 2)
    out[mask != 0] = (0, 255, 0)
    return out


def resize(img, width=0, height=0, scale=0.5):
    h, w = img.shape[:2]
    if width == 0 and height == 0:
        size = w * scale, h * scale
    elif width == 0:
        size = w * height / h, height
    elif height == 0:
        size = width, h * width / w
    else:
        size = width, height
    size = tuple(max(1, int(np.floor(v + 0.5))) for v in size)
    shrinks = size[0] <= w and size[1] <= h
    return cv2.resize(img, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def threshold(img, level=127, method="fixed"):
    gray = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
    if method == "otsu":
        return cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1]
    return np.uint8(255) * (gray > level)


def sharpen(img, amount=1.0, sigma=1.5):
    smooth = cv2.GaussianBlur(img, (0, 0), sigma)
    return cv2.addWeighted(img, 1 + amount, smooth, -amount, 0)


def denoise(img, strength=3.0, search=21):
    return cv2.fastNlMeansDenoisingColored(img, None, strength, strength, 7, search)


OPERATIONS = {
    "edges": edges,
    "grayscale": lambda img: cv2.cvtColor(img, cv2.COLOR_BGR2GRAY),
    "blur": lambda img, kernel=5: cv2.blur(img, (kernel, kernel)),
    "resize": resize,
    "rotate": lambda img, angle=90: np.ascontiguousarray(np.rot90(img, -(angle // 90))),
    "threshold": threshold,
    "sharpen": sharpen,
    "denoise": denoise,
}


def parse(text):
    name, _, rest = text.partition(":")
    params = {}
    for pair in filter(None, rest.split(",")):
        key, value = pair.split("=")
        for kind in (int, float, str):
            try:
                params[key] = kind(value)
                break
            except ValueError:
                pass
    return OPERATIONS[name], params


def main(folder, *operations):
    os.makedirs(os.path.join(folder, "input_dir"))
    for name, data in inputs().items():
        with open(os.path.join(folder, "input_dir", name), "wb") as f:
            f.write(data)
    for n, text in enumerate(operations):
        operation, params = parse(text)
        out = os.path.join(folder, "expected", str(n))
        os.makedirs(out)
        for name in os.listdir(os.path.join(folder, "input_dir")):
            img = cv2.imread(os.path.join(folder, "input_dir", name))
            assert img is not None, name
            assert cv2.imwrite(os.path.join(out, name), operation(img, **params)), name


main(*sys.argv[1:])
