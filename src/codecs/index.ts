export { jsonLength } from './oip/binary-data.ts';
export { decodeParsed, decodeRaw, decodeRequest, type InferRequest } from './oip/decode-request.ts';
export { encodeResponse } from './oip/encode-response.ts';
export { decodeGenerate, encodeGenerate, type GenerateRequest } from './oip/generate.ts';
export { ModelPlan } from './oip/model-plan.ts';
export { type JsonObject, parseBounded, parseObject, textOf } from './oip/parse-json.ts';
export { invalid, shown } from './oip/refusals.ts';
export { decodeMessage, type MessageRequest } from './protobuf/decode-message.ts';
export { encodeMessage, type ResponseParameters, streamError, streamMessage } from './protobuf/encode-message.ts';
export { type InferMessage, readInferMessage } from './protobuf/infer-message.ts';
export { type CsvSource, checkCsvHeader, csvHeader, decodeCsv, parseCsv, raggedText } from './rows/csv.ts';
export { csvFloats } from './rows/csv-floats.ts';
export { headerNames, placeOfName } from './rows/csv-header.ts';
export type { Invocation } from './rows/invocation.ts';
export { bareInstances, decodeInstances, decodeJson } from './rows/json-body.ts';
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
