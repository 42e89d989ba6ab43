/** What a model file is: read by a worker at registration, so that a hostile file never meets the server's process. */
import type { Signature } from '../tensor.ts';

export interface Inspection {
  readonly signature: Signature;
  /** Version by operator domain; the default domain is called `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly irVersion: number;
  /** The file's own metadata_props. */
  readonly properties: Readonly<Record<string, string>>;
  /** What the user should be told: what was rewritten or left away. */
  readonly notes: readonly string[];
  readonly batchable: boolean;
  readonly batchableReason: string;
  /** The file to serve lies at `rewriteTo`, not at the path that was inspected. */
  readonly rewritten: boolean;
  readonly loadMs: number;
}

export async function inspect(_path: string, _rewriteTo: string, _nowMs: () => number): Promise<Inspection> {
  throw new Error('not yet');
}
