/**
 * How good a picture looks as a poster, by its brightness alone: 0 for one that is black, white or plain, more for one
 * that has contrast, is neither dark nor glaring, and sharp.
 */
export function scorePicture(luma: Uint8Array, width: number, height: number): number {
  let sum = 0;
  let squares = 0;
  let edges = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      const value = luma[at]!;
      sum += value;
      squares += value * value;
      if (x > 0) edges += Math.abs(value - luma[at - 1]!);
      if (y > 0) edges += Math.abs(value - luma[at - width]!);
    }
  }
  const count = width * height;
  const mean = sum / count;
  const deviation = Math.sqrt(Math.max(0, squares / count - mean * mean));
  // Each 0 to 1: full contrast from 50 on, best brightness around 115 of 255, sharp from 10 a pixel on.
  const contrast = Math.min(1, deviation / 50);
  const exposure = Math.max(0, 1 - Math.abs(mean - 115) / 115);
  const sharpness = Math.min(1, edges / count / 10);
  return contrast * Math.sqrt(exposure) * (0.25 + 0.75 * sharpness);
}
