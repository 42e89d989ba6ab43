/** Sends a picture to the model: drawn, loaded from a file, or a sample. */
import { Button, FileButton, SegmentedControl } from '@mantine/core';
import { type PointerEvent, type ReactElement, useEffect, useRef, useState } from 'react';
import { Card } from '../kit/card.tsx';
import { Icon } from '../kit/icon.tsx';
import { LoadFailure } from '../kit/page/loaded.tsx';
import { SingleResult } from './answers/single-result.tsx';
import type { TrialProps } from './csv-trial.tsx';
import { mappingFor, rowValues } from './mapping.ts';
import { pictureValues, stroke } from './picture-values.ts';
import type { PictureShape } from './signature.ts';
import type { Samples } from './use-samples.ts';
import { useSingle } from './use-single.ts';

export function PictureTrial({ endpoint, signature, samples, picture }: TrialProps & { readonly picture: PictureShape }): ReactElement {
  const name = signature.inputs[0]?.name ?? '';
  const [white, setWhite] = useWhite(samples);
  const [pixels, setPixels] = useState<readonly number[]>(() =>
    new Array<number>(picture.width * picture.height * picture.channels).fill(0),
  );
  const [sample, setSample] = useState(0);
  const [problem, setProblem] = useState<Error | null>(null);
  const { invoked, error, isBusy, send } = useSingle(endpoint.name, signature);
  const values = { [name]: pixels };
  const draw = (drawn: readonly number[]): void => {
    setPixels(drawn);
    setWhite(white);
  };
  const take = (file: File | null): void => {
    if (file === null) return;
    pictureValues(file, picture, white).then((read) => {
      setPixels(read);
      setProblem(null);
    }, setProblem);
  };
  return (
    <div className="grid top">
      <Card title={`Picture, ${picture.width} by ${picture.height}`} span={5} padded>
        <div className="confirm">
          <DrawBoard pixels={pixels} picture={picture} white={white} onChange={draw} />
          <White
            white={white}
            onChange={(next) => {
              setPixels(pixels.map((value) => (value / white) * next));
              setWhite(next);
            }}
          />
          {problem === null ? null : <LoadFailure error={problem} what="The picture could not be read." />}
          {error === null ? null : <LoadFailure error={error} what="The request failed." />}
          <div className="row wrap">
            <Button variant="filled" loading={isBusy} onClick={() => send(values)}>
              Send picture
            </Button>
            <FileButton accept="image/*" onChange={take}>
              {(props) => (
                <Button leftSection={<Icon name="upload" />} {...props}>
                  Choose file
                </Button>
              )}
            </FileButton>
            {samples === null ? null : (
              <Button
                onClick={() => {
                  const { csv } = samples;
                  const row = rowValues(csv.rows[sample % csv.rows.length] ?? [], signature.inputs, mappingFor(csv, signature.inputs));
                  setPixels((row[name] ?? []).map(Number));
                  setSample(sample + 1);
                }}
              >
                Sample {sample + 1}
              </Button>
            )}
            <Button onClick={() => setPixels(pixels.map(() => 0))}>Clear</Button>
          </div>
        </div>
      </Card>
      <div className="c7">
        <SingleResult endpoint={endpoint} signature={signature} values={values} labels={samples?.labels ?? null} invoked={invoked} />
      </div>
    </div>
  );
}

/** The samples may arrive after the page: until a value is chosen or drawn with, theirs counts. */
function useWhite(samples: Samples | null): [number, (white: number) => void] {
  const [chosen, setChosen] = useState<number | null>(null);
  return [chosen ?? whiteOf(samples?.csv.rows ?? []), setChosen];
}

const whites = [1, 16, 255];

function White({ white, onChange }: { readonly white: number; readonly onChange: (white: number) => void }): ReactElement {
  return (
    <div className="row">
      <span className="sm mut" id="white-label">
        White value
      </span>
      <SegmentedControl
        aria-labelledby="white-label"
        value={String(white)}
        onChange={(value) => onChange(Number(value))}
        data={whites.map(String)}
      />
    </div>
  );
}

/** The value of a white pixel, guessed from the samples: 1, 16 or 255. */
function whiteOf(rows: readonly (readonly string[])[]): number {
  const max = Math.max(0, ...rows.slice(0, 20).flatMap((row) => row.map(Number).filter(Number.isFinite)));
  return max > 16 ? 255 : max > 1 ? 16 : 1;
}

const boardSize = 288;

interface BoardProps {
  readonly pixels: readonly number[];
  readonly picture: PictureShape;
  readonly white: number;
  readonly onChange: (pixels: readonly number[]) => void;
}

function DrawBoard({ pixels, picture, white, onChange }: BoardProps): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height, channels, isInterleaved } = picture;
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (context === null || context === undefined) return;
    const image = context.createImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const from = channels === 1 ? pixel : isInterleaved ? pixel * channels + channel : channel * width * height + pixel;
        image.data[pixel * 4 + channel] = (255 * (pixels[from] ?? 0)) / white;
      }
      image.data[pixel * 4 + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }, [pixels, width, height, channels, isInterleaved, white]);
  const draw = (event: PointerEvent<HTMLCanvasElement>): void => {
    if (event.buttons === 0) return;
    event.preventDefault();
    const box = event.currentTarget.getBoundingClientRect();
    const [x, y] = [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    onChange(stroke(pixels, picture, { x, y, white }));
  };
  return (
    <canvas
      ref={canvas}
      className="board"
      width={width}
      height={height}
      style={{ width: boardSize, height: (boardSize * height) / width }}
      role="img"
      aria-label="The picture. Draw on it, or use a file or a sample."
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        draw(event);
      }}
      onPointerMove={draw}
    />
  );
}
