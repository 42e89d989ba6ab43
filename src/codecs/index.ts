export { type BodyTask, bodyTask, decodeInThread, inPlaceBytesMax, isShortBinary, isShortText } from './body-task.ts';
export { anyJson, checkJsonCost, documentLimits, type JsonLimits, parseJsonWithin, tensorLimits } from './json-limits.ts';
export { jsonLength } from './oip/binary-data.ts';
export { decodeParsed, decodeRaw, decodeRequest, type InferRequest } from './oip/decode-request.ts';
export { encodeResponse } from './oip/encode-response.ts';
export { decodeGenerate, encodeGenerate, type GenerateRequest } from './oip/generate.ts';
export { jsonElements } from './oip/json-elements.ts';
export { ModelPlan } from './oip/model-plan.ts';
export { type JsonObject, parseBounded, parseObject, textOf } from './oip/parse-json.ts';
export { invalidRequest, truncated } from './oip/request-errors.ts';
export { formattedPiece, type PieceKind, pieceKind, type StreamForm, serverSentEvent, streamForm, streamTypes } from './piece-forms.ts';
export { decodeMessage, type MessageRequest } from './protobuf/decode-message.ts';
export { encodeMessage, type ResponseParameters, streamError, streamMessage } from './protobuf/encode-message.ts';
export { type InferMessage, readInferMessage } from './protobuf/infer-message.ts';
export {
  decodeGenerateTask,
  decodeMessageTask,
  decodeRequestTask,
  isShortMessage,
  isShortRequest,
  planFacts,
} from './request-task.ts';
export { dataframeRows } from './rows/columns.ts';
export { type CsvSource, checkCsvHeader, csvHeader, decodeCsv, isInOrder, raggedRowText } from './rows/csv.ts';
export { checkCsvBody, decodeCsvBody } from './rows/csv-body.ts';
export { csvFloats } from './rows/csv-floats.ts';
export { headerNames, indexOfName } from './rows/csv-header.ts';
export { parseCsv } from './rows/csv-lines.ts';
export { bodyTypes, checkRows, decodeRows, decodeRowsTask, isShortNpy, isShortRows, tensorBytes } from './rows/decode-body.ts';
export { anyRows, type RowInvocation, type RowLimits, rowsMaxOf } from './rows/invocation.ts';
export { bareInstances, decodeInstances, decodeJson } from './rows/json-body.ts';
export { checkedJson, decodeJsonRows, jsonInvocation, jsonRowTypes } from './rows/json-rows.ts';
export {
  type Block,
  type BlockPosition,
  blocksOf,
  type LineRecord,
  recordsInSlices,
  recordsOf,
  startOfObject,
} from './rows/line-blocks.ts';
export { decodeNpy, npyFile, npyHead } from './rows/npy.ts';
export {
  predictionsCsv,
  predictionsCsvBytes,
  predictionsCsvBytesMax,
  predictionsJson,
  predictionTexts,
  writePredictionsCsv,
} from './rows/predictions.ts';
export { cutRows } from './rows/row-chunks.ts';
export { readS3Manifest } from './s3-manifest.ts';
