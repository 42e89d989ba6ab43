/** Files that are often registered by mistake, recognised by their first bytes. */

interface Kind {
  readonly isIt: (bytes: Buffer) => boolean;
  readonly what: string;
}

const startsWith =
  (...first: readonly number[]) =>
  (bytes: Buffer) =>
    first.every((byte, index) => bytes[index] === byte);
const hasText = (text: string, offset: number) => (bytes: Buffer) => bytes.toString('latin1', offset, offset + text.length) === text;
const startsAsText = (pattern: RegExp) => (bytes: Buffer) => pattern.test(bytes.toString('latin1', 0, 200));

const toOnnx = 'Export the model to ONNX (torch.onnx.export, skl2onnx, tf2onnx) and register that file';

/** In order: the first match is reported. */
const foreignKinds: readonly Kind[] = [
  {
    isIt: startsAsText(/^\s*(<!doctype html|<html)/i),
    what: 'an HTML page, probably an error or sign-in page saved by a download. Download the file itself',
  },
  {
    isIt: startsAsText(/^version https:\/\/git-lfs/),
    what: 'a Git LFS pointer, not the model. Run git lfs pull and register the resulting file',
  },
  { isIt: startsAsText(/^\s*<\?xml|^\s*</), what: 'an XML file, not a model' },
  { isIt: hasText('ustar', 257), what: 'a tar archive. Unpack it and register the .onnx file inside' },
  { isIt: startsWith(0x1f, 0x8b), what: 'a gzip file. Unpack it and register the .onnx file inside' },
  { isIt: hasText('PK\x03\x04', 0), what: `a ZIP archive (such as PyTorch .pt, Keras and .npz files). ${toOnnx}` },
  {
    isIt: (bytes) => bytes.readBigUInt64LE(0) < 100_000_000n && hasText('{"', 8)(bytes),
    what: `a safetensors file, which holds weights but no graph. ${toOnnx}`,
  },
  {
    isIt: (bytes) => bytes[0] === 0x80 && (bytes[1] as number) >= 2 && (bytes[1] as number) <= 5,
    what: `a Python pickle, which is never opened here. ${toOnnx}`,
  },
  { isIt: startsWith(0x89, 0x48, 0x44, 0x46), what: `an HDF5 file (Keras). ${toOnnx}` },
  { isIt: hasText('GGUF', 0), what: 'a GGUF file (llama.cpp), not an ONNX model' },
  { isIt: hasText('TFL3', 4), what: `a TensorFlow Lite file. ${toOnnx}` },
  {
    isIt: hasText('ORTM', 4),
    what: 'an ORT-format file, which fits only one version and machine type. Register the .onnx file it was made from',
  },
  { isIt: hasText('\x93NUMPY', 0), what: 'a NumPy array, not a model' },
  { isIt: startsWith(0x7f, 0x45, 0x4c, 0x46), what: 'a program (ELF), not a model' },
  { isIt: startsAsText(/^\s*[{[]\s*["\]}[{]/), what: 'a JSON file, not a model' },
  { isIt: startsAsText(/^[\t\r\n\x20-\x7e]+$/), what: 'a text file, not a model' },
];

/** The kind of a file that is certainly not an ONNX model; null if its first bytes do not reveal that. */
export function foreignKind(bytes: Buffer): string | null {
  if (bytes.length < 12) return null;
  return foreignKinds.find((kind) => kind.isIt(bytes))?.what ?? null;
}
