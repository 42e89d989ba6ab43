export { dataFileName, modelFileName } from './data-file-name.ts';
export { dataFileNames } from './data-file-names.ts';
export { type Frame, FrameReader, kinds, messageFrame } from './frames.ts';
export { type Hello, isSameToken, receiveHello } from './hello.ts';
export type { Inspection } from './inspect.ts';
export { LastLines } from './last-lines.ts';
export {
  type InvokeResult,
  type LoadedModel,
  type LoadRequest,
  type RunResult,
  WorkerLink,
  WorkerLost,
  type WorkerStatus,
} from './link.ts';
export { missingOnnxruntime, onnxruntimePath } from './onnxruntime-path.ts';
export type { Payload, PayloadHeaders, ProcessReply, ReplyHead, ReplySink } from './payload.ts';
export type { Bundle } from './process-bundle.ts';
export type { ProcessSpec } from './process-model.ts';
export type { OpenedPython, PythonFacts, PythonLoad, PythonOpen } from './python-calls.ts';
export { pythonWorkerPath } from './python-worker-path.ts';
export { sampleBatches } from './sample-batches.ts';
export { sampleInputs } from './sample-inputs.ts';
export type { SampleBody } from './sample-rows.ts';
export { SharedMemory } from './shared-memory.ts';
export type { RunTimings, TensorParts } from './tensor-frames.ts';
export {
  type CollectedFile,
  type DataFile,
  type LentFile,
  type ModelFiles,
  sharedFiles,
  type WorkerFiles,
} from './worker-files.ts';
export { workerMainPath } from './worker-main-path.ts';
export { type LoadPlans, type ModelMap, type RowStages, stages, type WorkerPlan } from './worker-plans.ts';
