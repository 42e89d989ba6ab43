/** `POST /v1/models/{m}:predict` of KServe's first protocol: JSON rows in, predictions out. */
import { permissionFor } from '../access/index.ts';
import { decodeInThread, decodeRows, decodeRowsTask, isShortText, predictionsJson, type RowInvocation } from '../codecs/index.ts';
import type { WireBody } from '../data-quality/index.ts';
import type { PlatformError } from '../errors.ts';
import { type InferenceResult, PartTexts, RowsExchange, realTimeRows, type ServedRoute } from '../serving/index.ts';
import type { OipDeps } from './deps.ts';
import { admitInference, type HttpCall, readInference, sendFailure } from './http-inference.ts';
import { restOperations } from './paths.ts';
import { sendText } from './replies.ts';

const json = 'application/json';
const predicting = permissionFor(restOperations.predict.action);

/** The body is read and answered later; nothing is returned here. */
export function predict(services: OipDeps, call: HttpCall): void {
  const route = admitInference(services, call, predicting);
  if (route !== null) readInference(services, call, new PredictExchange(services, call, route));
}

class PredictExchange extends RowsExchange {
  readonly #services: OipDeps;
  readonly #call: HttpCall;
  #texts: PartTexts | null = null;

  constructor(services: OipDeps, call: HttpCall, route: ServedRoute) {
    super(services, call.requestId, route, call.response);
    this.#services = services;
    this.#call = call;
  }

  protected isShort(body: Buffer): boolean {
    return isShortText(this.route.signature, body.length);
  }

  protected decode(body: Buffer): readonly RowInvocation[] {
    return decodeRows(this.#input(body));
  }

  protected decodeLong(body: Buffer, isWanted: () => boolean) {
    return decodeInThread(this.#services.threads, decodeRowsTask, this.#input(body), isWanted);
  }

  protected inferenceId(): null {
    return null;
  }

  protected rowsOf(decoded: readonly RowInvocation[]): readonly RowInvocation[] {
    return decoded;
  }

  protected addPart(part: number, { outputs }: InferenceResult, rows: number): void {
    this.#texts ??= new PartTexts(this.parts.length);
    this.#texts.set(part, predictionsJson(outputs, rows, this.route.signature.outputs).slice(1, -1));
  }

  protected answer(): void {
    const { request, response, requestId } = this.#call;
    const body = (this.#texts ?? new PartTexts(0)).joined('{"predictions":[', ',', ']}');
    sendText(request, response, requestId, json, body);
    this.capture?.end(this.capturedInput(), { contentType: json, body: typeof body === 'string' ? Buffer.from(body) : body });
  }

  protected capturedInput(): WireBody {
    return { contentType: json, body: this.body };
  }

  protected fail(error: PlatformError): void {
    sendFailure(this.#call, error, !this.hasBody);
  }

  #input(body: Buffer) {
    return { signature: this.route.signature, contentType: json, body, label: undefined, limits: realTimeRows(this.route) };
  }
}
