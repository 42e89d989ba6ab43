/** Models that LightGBM saved as text: a header of lines `name=value`, then the trees. */
import { PlatformError } from '../errors.ts';
import { ByteReader } from './byte-reader.ts';
import { printable } from './printable.ts';
import type { RecognisedModel, RecognitionLimits } from './recognised-model.ts';

/** The names of a million features. */
const lineBytesMax = 16 * 2 ** 20;
const headerLinesMax = 100;

/** Throws `invalid_request` if the header does not name the features. */
export async function recogniseLightgbm(path: string, { bytesMax }: RecognitionLimits): Promise<RecognisedModel> {
  const header = await headerOf(path, bytesMax);
  const last = Number(header.get('max_feature_idx') ?? Number.NaN);
  const columns = header.get('feature_names')?.split(' ') ?? [];
  if (!Number.isSafeInteger(last) || last < 0 || columns.length !== last + 1) {
    throw new PlatformError(
      'invalid_request',
      'the LightGBM model is damaged: its header has no max_feature_idx with as many feature_names. Save it again with save_model()',
    );
  }
  const objective = header.get('objective');
  return {
    flavour: 'lightgbm',
    entry: '',
    form: 'tensors',
    imports: null,
    libraries: ['lightgbm'],
    madeWith: {},
    inputs: [{ name: 'x', datatype: 'FP64', shape: [-1, columns.length] }],
    columns,
    notes: objective === undefined ? [] : [`objective ${printable(objective)}`],
  };
}

async function headerOf(path: string, bytesMax: number): Promise<Map<string, string>> {
  const reader = ByteReader.ofFile(path, 'none', bytesMax);
  try {
    const header = new Map<string, string>();
    for (let lines = 0; lines < headerLinesMax; lines++) {
      const line = await reader.line(lineBytesMax);
      if (line === null || line.startsWith('Tree=')) break;
      const [, name, value] = /^(\w+)=(.*?)\r?$/.exec(line) ?? [];
      if (name !== undefined) header.set(name, value ?? '');
    }
    return header;
  } finally {
    await reader.close();
  }
}
