/** Moves the weights of a model into a data file, as torch.onnx.export does, and packs archives of files. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, StringStringEntryProtoSchema, type TensorProto, TensorProto_DataLocation } from 'onnx-buf';
import { type TarFile, tarOf } from '../../src/tar/index.ts';

export interface ExternalModel {
  readonly model: Buffer;
  readonly data: Buffer;
}

/** Tensors begin at multiples of 64 bytes. Initializers without raw data stay in the model. */
export function withExternalData(bytes: Uint8Array, location = 'model.onnx.data'): ExternalModel {
  const model = fromBinary(ModelProtoSchema, bytes);
  const parts: Buffer[] = [];
  let size = 0;
  for (const tensor of model.graph?.initializer ?? []) {
    const raw = rawDataOf(tensor);
    if (raw === null) continue;
    const padding = (64 - (size % 64)) % 64;
    const offset = size + padding;
    parts.push(Buffer.alloc(padding), raw);
    size = offset + raw.length;
    setExternal(tensor, { location, offset, length: raw.length });
  }
  return { model: Buffer.from(toBinary(ModelProtoSchema, model)), data: Buffer.concat(parts) };
}

export function setExternal(tensor: TensorProto, entries: Readonly<Record<string, string | number>>): void {
  tensor.rawData = new Uint8Array();
  tensor.floatData = [];
  tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
  tensor.externalData = Object.entries(entries).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value: String(value) }));
}

function rawDataOf({ rawData, floatData }: TensorProto): Buffer | null {
  if (rawData.length > 0) return Buffer.from(rawData);
  return floatData.length > 0 ? Buffer.from(new Float32Array(floatData).buffer) : null;
}

/** A tar of these files. */
export async function tarWith(files: Readonly<Record<string, Uint8Array>>): Promise<Buffer> {
  async function* entries(): AsyncGenerator<TarFile> {
    for (const [path, bytes] of Object.entries(files)) yield { path, bytes: bytes.length, isExecutable: false, content: chunks(bytes) };
  }
  const parts: Uint8Array[] = [];
  for await (const part of tarOf(entries())) parts.push(part);
  return Buffer.concat(parts);
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
