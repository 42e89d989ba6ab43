/**
 * The model file of a multi-model version. Such a version has no model of its own: it refers to a folder in S3, and each request names an
 * object below it. Its file is a valid ONNX model that names the folder in a property, so that versions of this kind are approved, deployed,
 * rolled back and priced like all others, and what was approved cannot be changed afterwards.
 */
import type { ModelVersion } from './model-version.ts';

/** Where the models of such a version are, and how long they stay loaded. */
export interface MultiModel {
  readonly bucket: string;
  /** Ends with `/`, or is empty: a whole bucket. */
  readonly prefix: string;
  /** Whether a model stays loaded after its requests. */
  readonly isCached: boolean;
}

const property = 'penstock.multi_model';

/** The folder that a version refers to; null for a version with a model. */
export function multiModelOf({ properties = {} }: Partial<Pick<ModelVersion, 'properties'>>): MultiModel | null {
  const text = properties[property];
  if (text === undefined) return null;
  try {
    const { bucket, prefix, isCached } = JSON.parse(text) as Partial<MultiModel>;
    if (typeof bucket !== 'string' || typeof prefix !== 'string' || !/^$|\/$/.test(prefix)) return null;
    return { bucket, prefix, isCached: isCached !== false };
  } catch {
    return null; // another program's property
  }
}

/** `s3://models/shop/` */
export function multiModelUri({ bucket, prefix }: Pick<MultiModel, 'bucket' | 'prefix'>): string {
  return `s3://${bucket}/${prefix}`;
}

/** The ONNX file of a multi-model version: `y = x` for a number, and the folder as a property. */
export function multiModelFile(folder: MultiModel): Buffer {
  const { bucket, prefix, isCached } = folder;
  const dimension = (value: number): Buffer => field(1, varint(value, 1));
  const shape = Buffer.concat([dimension(-1), dimension(1)]);
  const float = varint(1, 1);
  const tensor = (name: string): Buffer => Buffer.concat([text(1, name), field(2, field(1, Buffer.concat([float, field(2, shape)])))]);
  const node = Buffer.concat([text(1, 'x'), text(2, 'y'), text(3, 'identity'), text(4, 'Identity')]);
  const graph = Buffer.concat([field(1, node), text(2, 'multi_model'), field(11, tensor('x')), field(12, tensor('y'))]);
  const value = JSON.stringify({ bucket, prefix, isCached });
  return Buffer.concat([
    varint(8, 1), // ir_version
    text(2, 'penstock'),
    field(7, graph),
    field(8, varint(13, 2)), // opset_import
    field(14, Buffer.concat([text(1, property), text(2, value)])),
  ]);
}

/** A length-delimited field of the protocol buffers encoding. */
function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from(encoded(BigInt((number << 3) | 2))), Buffer.from(encoded(BigInt(content.length))), content]);
}

function text(number: number, content: string): Buffer {
  return field(number, Buffer.from(content));
}

function varint(value: number, number: number): Buffer {
  return Buffer.from([number << 3, ...encoded(BigInt.asUintN(64, BigInt(value)))]);
}

function encoded(value: bigint): number[] {
  const bytes: number[] = [];
  for (let left = value; ; left >>= 7n) {
    const isLast = left < 128n;
    bytes.push(Number(left & 127n) | (isLast ? 0 : 128));
    if (isLast) return bytes;
  }
}
