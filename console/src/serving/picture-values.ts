/** Converts pictures to model inputs. */
import type { PictureShape } from './signature.ts';

/** The index of a pixel's channel in the flat row. */
function channelIndex({ width, height, channels, isInterleaved }: PictureShape, pixel: number, channel: number): number {
  if (channels === 1) return pixel;
  return isInterleaved ? pixel * channels + channel : channel * width * height + pixel;
}

/** Draws one dab of a soft brush, about as thick as a pen stroke in a small picture. */
export function stroke(
  pixels: readonly number[],
  picture: PictureShape,
  { x, y, white }: { readonly x: number; readonly y: number; readonly white: number },
): number[] {
  const { width, height, channels } = picture;
  const radius = Math.max(0.9, width / 18);
  const drawn = [...pixels];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const distance = Math.hypot(column + 0.5 - x, row + 0.5 - y);
      const ink = Math.max(0, Math.min(1, 1.35 - distance / radius)) * white;
      if (ink === 0) continue;
      for (let channel = 0; channel < channels; channel++) {
        const index = channelIndex(picture, row * width + column, channel);
        drawn[index] = Math.max(drawn[index] ?? 0, Math.round(ink * 100) / 100);
      }
    }
  }
  return drawn;
}

/** Scales a picture to fit, in grey if the model has one channel. Throws if the browser cannot decode the file. */
export async function pictureValues(file: File, picture: PictureShape, white: number): Promise<number[]> {
  const { width, height, channels } = picture;
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`this browser cannot read ${file.name} as a picture: use a PNG or JPEG file`);
  });
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('this browser does not support the 2D canvas');
  const scale = Math.min(width / bitmap.width, height / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Array<number>(width * height * channels).fill(0);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [red = 0, green = 0, blue = 0] = data.subarray(pixel * 4, pixel * 4 + 3);
    const colours = channels === 1 ? [0.299 * red + 0.587 * green + 0.114 * blue] : [red, green, blue];
    for (const [channel, value] of colours.entries())
      values[channelIndex(picture, pixel, channel)] = Math.round((value / 255) * white * 100) / 100;
  }
  return values;
}
