export { inheritedChannel } from './blocking-channel.ts';
export { CallTable } from './link/call-table.ts';
export {
  errorOf,
  type Frame,
  FrameReader,
  failureOf,
  frameBytes,
  frameBytesMax,
  headBytes,
  kinds,
  malformedFrame,
  messageFrame,
  padded,
  parseFrame,
  type WireFailure,
  writeHead,
} from './link/frames.ts';
export { type Hello, isSameToken, receiveHello } from './link/hello.ts';
export {
  type LoadedModel,
  type LoadRequest,
  WorkerLink,
  type WorkerStatus,
} from './link/link.ts';
export {
  type BodyFiles,
  type Payload,
  type PayloadHeaders,
  type ProcessReply,
  payloadFrame,
  type ReplyHead,
  type ReplySink,
  readFrameBody,
} from './link/payload.ts';
export { type InvokeResult, type PieceMessage, ReplyPieces } from './link/reply-pieces.ts';
export { type ResultReader, type RunResult, resultReader } from './link/results.ts';
export type { ServingLink } from './link/serving-link.ts';
export { SharedMemory } from './link/shared-memory.ts';
export {
  type IndexedTensor,
  type RunTimings,
  ranFrame,
  setTimings,
  type TensorParts,
  tensorFrame,
  tensorsAt,
  tensorsFrame,
} from './link/tensor-frames.ts';
export { Window } from './link/window.ts';
export { WorkerLost } from './link/worker-lost.ts';
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
  isSinglePlan,
  type LoadPlans,
  type MissingModel,
  type ModelMap,
  type RowStages,
  stages,
  stageTensors,
  type WorkerPlan,
  type WorkerPlans,
} from './worker-plans.ts';
