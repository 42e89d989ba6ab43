/** `grpc.reflection.v1.ServerReflection`, so that clients such as grpcurl need no `.proto` files. */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Descriptors } from './protocol.ts';
import { serviceNames } from './protocol.ts';

interface ReflectionRequest {
  readonly message_request?: string;
  readonly file_by_filename?: string;
  readonly file_containing_symbol?: string;
}

/** A lookup of any symbol returns all three small files, as if they were dependencies of each other. */
export class GrpcReflection {
  readonly #files: readonly Buffer[];
  readonly #fileNames: readonly string[];
  readonly #symbols: readonly string[];

  constructor({ files, symbols }: Descriptors) {
    this.#files = files;
    this.#fileNames = files.map(fileName);
    this.#symbols = symbols;
  }

  readonly serve = (call: ServerDuplexStream<ReflectionRequest, object>): void => {
    call.on('data', (request: ReflectionRequest) => {
      const canContinue = call.write({ valid_host: '', original_request: request, ...this.answer(request) });
      if (!canContinue) call.pause();
    });
    call.on('drain', () => call.resume());
    call.on('end', () => call.end());
  };

  /** One response for each request of the stream. A known file or symbol is answered with all files, which are few. */
  answer(request: ReflectionRequest): object {
    switch (request.message_request) {
      case 'list_services':
        return { list_services_response: { service: Object.values(serviceNames).map((name) => ({ name })) } };
      case 'file_by_filename':
        return this.#answerIf(this.#fileNames.includes(request.file_by_filename ?? ''));
      case 'file_containing_symbol':
        return this.#answerIf(this.#isKnown(request.file_containing_symbol ?? ''));
      default:
        return refusal(status.UNIMPLEMENTED, 'extensions are not supported');
    }
  }

  /** Methods, fields and enum values are known if their parent is. */
  #isKnown(symbol: string): boolean {
    return this.#symbols.includes(symbol) || this.#symbols.includes(symbol.slice(0, Math.max(symbol.lastIndexOf('.'), 0)));
  }

  #answerIf(isKnown: boolean): object {
    if (!isKnown) return refusal(status.NOT_FOUND, 'no such file or symbol');
    return { file_descriptor_response: { file_descriptor_proto: this.#files } };
  }
}

function refusal(code: status, message: string): object {
  return { error_response: { error_code: code, error_message: message } };
}

/** The name is the first field of a `FileDescriptorProto`, and shorter than 128 bytes. */
function fileName(file: Buffer): string {
  return file.toString('utf8', 2, 2 + (file[1] as number));
}
