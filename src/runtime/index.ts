export { inheritedChannel } from './blocking-channel.ts';
export {
  type Frame,
  FrameReader,
  headBytes,
  kinds,
  malformedFrame,
  messageFrame,
  padded,
  writeHead,
} from './link/frames.ts';
export { type Hello, isSameToken, receiveHello } from './link/hello.ts';
export {
  type InvokeResult,
  type LoadedModel,
  type LoadRequest,
  WorkerLink,
  WorkerLost,
  type WorkerStatus,
} from './link/link.ts';
export type { Payload, PayloadHeaders, ProcessReply, ReplyHead, ReplySink } from './link/payload.ts';
export type { RunResult } from './link/results.ts';
export { SharedMemory } from './link/shared-memory.ts';
export { type RunTimings, type TensorParts, tensorFrame, tensorsAt } from './link/tensor-frames.ts';
export { dataFileName, modelFileName } from './onnx/data-file-name.ts';
export { dataFileNames } from './onnx/data-file-names.ts';
export { missingOnnxruntime, onnxruntimePath } from './onnx/onnxruntime-path.ts';
export type { Inspection } from './probe/inspect.ts';
export { sampleBatches } from './probe/sample-batches.ts';
export { sampleInputs } from './probe/sample-inputs.ts';
export type { SampleBody } from './probe/sample-rows.ts';
export { LastLines } from './process/last-lines.ts';
export type { Bundle } from './process/process-bundle.ts';
export type { ProcessProgram, ProcessSpec } from './process/process-model.ts';
export type { OpenedPython, PythonFacts, PythonLoad, PythonOpen } from './python-calls.ts';
export {
  type CollectedFile,
  type DataArtifact,
  type DataFile,
  fetchModel,
  type LentFile,
  type ModelArtifact,
  type ModelFiles,
  sharedFiles,
  type WorkerFiles,
} from './worker-files.ts';
export { pythonWorkerPath, workerMainPath } from './worker-paths.ts';
export {
  confidenceOf,
  isRunnable,
  type LoadPlans,
  type MissingModel,
  type ModelMap,
  type RowStages,
  stages,
  type WorkerPlan,
  type WorkerPlans,
} from './worker-plans.ts';
