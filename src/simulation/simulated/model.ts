/** The model of simulated requests. It has a name and accepts rows, but is never run. */
import type { ModelVersion } from '../../registry/index.ts';

const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;

export function simulatedModel(group: string): ModelVersion {
  return {
    group,
    version: 1,
    name: `${group}/1`,
    approval: 'Approved',
    approvalChangedBy: null,
    approvalChangedAtMs: null,
    approvalNote: null,
    description: '',
    metadata: {},
    metrics: {},
    tags: {},
    artifact: { sha256: '', bytes: 0 },
    sourceSha256: '',
    sourceName: '',
    signature,
    opsets: {},
    producer: '',
    properties: {},
    notes: [],
    batchable: true,
    batchableReason: '',
    runtime: { kind: 'onnx' },
    createdBy: '',
    createdAtMs: 0,
  };
}
