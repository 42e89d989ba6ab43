/** Turns chosen files into one upload: an ONNX file or an archive as it is, or a tar of an ONNX file and its data files. */

/** A chosen file; in a dropped folder, `path` has the names of the folders. */
export interface ChosenFile {
  readonly path: string;
  readonly file: File;
}

export interface ModelUpload {
  /** The name of the model file. */
  readonly name: string;
  readonly bytes: number;
  /** Names of the other files. */
  readonly others: readonly string[];
  /** Its parts are read from disk while they are sent. */
  readonly body: Blob;
}

export class WrongFiles extends Error {}

/** Whether the server reads the model only when it is registered: a Python model is opened at its approval. */
export function isPythonUpload({ name }: Pick<ModelUpload, 'name'>): boolean {
  return /\.(?:joblib|pkl|pickle|skops|pt|pth|pt2|keras|json|ubj|bst|cbm|py|tar)$/i.test(name);
}

const blockBytes = 512;
const octalBytesMax = 8 ** 11 - 1;

/** Throws `WrongFiles` if it is not clear which of several files is the model. */
export function modelUploadOf(chosen: readonly ChosenFile[]): ModelUpload {
  const files = chosen.filter(({ path }) => !isMetadata(path));
  const [only] = files;
  if (files.length === 1 && only !== undefined) return { name: only.file.name, bytes: only.file.size, others: [], body: only.file };
  const models = files.filter(({ path }) => /.\.onnx$/i.test(path));
  const [model] = models;
  if (model === undefined && files.length > 0) return pythonUpload(files);
  if (model === undefined || models.length > 1) {
    const got = models.length === 0 ? 'got none' : `got ${models.map(({ path }) => path).join(', ')}`;
    throw new WrongFiles(`Expected one .onnx file and its data files, ${got}. Choose the files of one model.`);
  }
  const folder = model.path.slice(0, model.path.lastIndexOf('/') + 1);
  const inFolder = files.filter(({ path }) => path.startsWith(folder)).map(({ path, file }) => ({ path: path.slice(folder.length), file }));
  const others = inFolder.filter(({ file }) => file !== model.file).map(({ path }) => path);
  if (others.length === 0) return { name: model.file.name, bytes: model.file.size, others, body: model.file };
  return { name: model.file.name, bytes: inFolder.reduce((sum, { file }) => sum + file.size, 0), others, body: tarOf(inFolder) };
}

/** Files without an ONNX model: a folder, or several files, of a Python model. */
function pythonUpload(files: readonly ChosenFile[]): ModelUpload {
  const [first] = files;
  const top = first?.path.split('/')[0] ?? 'model';
  const isFolder = files.every(({ path }) => path.startsWith(`${top}/`));
  const name = `${isFolder ? top : 'model'}.tar`;
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  return { name, bytes, others: files.map(({ path }) => path), body: tarOf(files) };
}

/** macOS adds metadata beside files. */
function isMetadata(path: string): boolean {
  const name = path.split('/').at(-1) ?? '';
  return name.startsWith('._') || name === '.DS_Store';
}

function tarOf(files: readonly ChosenFile[]): Blob {
  const parts = files.flatMap(({ path, file }): BlobPart[] => {
    const pax = paxOf(path, file.size);
    const padding = new Uint8Array((blockBytes - (file.size % blockBytes)) % blockBytes);
    return [...(pax.length === 0 ? [] : [header('pax', pax.length, 'x'), filled(pax)]), header(path, file.size, '0'), file, padding];
  });
  return new Blob([...parts, new Uint8Array(2 * blockBytes)]);
}

/** A pax header for values that do not fit into a ustar header. */
function paxOf(path: string, bytes: number): Uint8Array<ArrayBuffer> {
  const isPlain = /^[\x20-\x7e]{1,100}$/.test(path);
  return encoded((isPlain ? '' : paxLine('path', path)) + (bytes > octalBytesMax ? paxLine('size', String(bytes)) : ''));
}

/** The length includes its own digits. */
function paxLine(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const restBytes = encoded(rest).length;
  let length = restBytes;
  while (restBytes + String(length).length !== length) length = restBytes + String(length).length;
  return `${length}${rest}`;
}

function header(path: string, bytes: number, type: string): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(blockBytes);
  const write = (text: string, at: number): void => block.set(encoded(text), at);
  const octal = (value: number, length: number): string => value.toString(8).padStart(length - 1, '0');
  write(path.replaceAll(/[^\x20-\x7e]/g, '_').slice(0, 100), 0);
  write(octal(0o644, 8), 100);
  write(octal(Math.min(bytes, octalBytesMax), 12), 124);
  write(' '.repeat(8), 148);
  write(type, 156);
  write('ustar\u000000', 257);
  const sum = block.reduce((before, byte) => before + byte, 0);
  write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function filled(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = new Uint8Array(Math.ceil(bytes.length / blockBytes) * blockBytes);
  blocks.set(bytes);
  return blocks;
}

function encoded(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
