/** Renders a row of numbers as a picture. */
import { type ReactElement, useEffect, useRef } from 'react';
import type { PictureShape } from '../signature.ts';

export interface PixelsProps {
  readonly values: readonly (number | string)[];
  readonly picture: PictureShape;
  /** The value of a white pixel. Default: the largest value. */
  readonly white?: number | undefined;
  readonly size?: number;
}

export function Pixels({ values, picture, white, size = 32 }: PixelsProps): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height } = picture;
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (context === null || context === undefined) return;
    const image = context.createImageData(width, height);
    fill(image.data, values, picture, white ?? Math.max(1e-9, ...values.map(Number)));
    context.putImageData(image, 0, 0);
  }, [values, picture, white, width, height]);
  const scale = size / Math.max(width, height);
  return (
    <canvas
      ref={canvas}
      className="px"
      width={width}
      height={height}
      style={{ width: width * scale, height: height * scale }}
      role="img"
      aria-label={`picture of ${width} by ${height} pixels`}
    />
  );
}

function fill(
  data: Uint8ClampedArray,
  values: PixelsProps['values'],
  { width, height, channels, isInterleaved }: PictureShape,
  white: number,
): void {
  const plane = width * height;
  for (let pixel = 0; pixel < plane; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const from = channels === 1 ? pixel : isInterleaved ? pixel * channels + channel : channel * plane + pixel;
      data[pixel * 4 + channel] = Math.round((255 * Number(values[from] ?? 0)) / white);
    }
    data[pixel * 4 + 3] = 255;
  }
}
