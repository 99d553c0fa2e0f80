// Dots set pixel by pixel: ten thousand take some 3 ms, where the canvas's own circles or pictures
// take 20 without a graphics card. Colours are numbers as in an ImageData of 32-bit pixels: alpha,
// blue, green, red.

// "#rrggbb" as such a number.
export function pixelColour(hexadecimal) {
  const rgb = parseInt(hexadecimal.slice(1), 16);
  return (255 << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16);
}

// The pixels of a dot that is filled up to one radius and edged with paper up to another: offset of
// each in an image of that width, and the shares, in 256, of the fill, of the edge and of what is
// beneath.
export function makeDot(imageWidth, fillRadius, edgeRadius) {
  const reach = Math.ceil(edgeRadius + 1);
  const share = depth => Math.round(256 * Math.max(0, Math.min(1, depth + 0.5)));
  const pixels = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const fill = share(fillRadius - Math.hypot(x, y));
      const whole = share(edgeRadius - Math.hypot(x, y));
      if (whole) pixels.push([y * imageWidth + x, fill, whole - fill, 256 - whole]);
    }
  }
  const column = k => Int32Array.from(pixels, pixel => pixel[k]);
  return {reach, offset: column(0), fill: column(1), edge: column(2), beneath: column(3)};
}

// The mixture of three colours by their shares in 256.
export function mixed(first, firstShare, second, secondShare, third, thirdShare) {
  let colour = 255 << 24;
  for (const shift of [16, 8, 0]) {
    const sum =
      ((first >>> shift) & 255) * firstShare +
      ((second >>> shift) & 255) * secondShare +
      ((third >>> shift) & 255) * thirdShare;
    colour |= (sum >> 8) << shift;
  }
  return colour;
}

// A dot in an image's pixels, its middle at x, y; none where it would reach over the image's side.
export function stampDot(pixels, width, height, dot, x, y, colour, paper) {
  const {reach, offset, fill, edge, beneath} = dot;
  if (x < reach || y < reach || x >= width - reach || y >= height - reach) return;
  for (let k = 0; k < offset.length; k++) {
    const at = y * width + x + offset[k];
    pixels[at] =
      fill[k] === 256 ? colour : mixed(colour, fill[k], paper, edge[k], pixels[at], beneath[k]);
  }
}
