/** `grpc.reflection.v1.ServerReflection`: a client such as grpcurl needs no `.proto` files of its own. */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Descriptors } from './protocol.ts';
import { serviceNames } from './protocol.ts';

interface ReflectionRequest {
  readonly message_request?: string;
  readonly file_by_filename?: string;
  readonly file_containing_symbol?: string;
}

/** There are three small files: whoever asks for anything in one gets them all, as if they were its dependencies. */
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
      const goesOn = call.write({ valid_host: '', original_request: request, ...this.answer(request) });
      if (!goesOn) call.pause();
    });
    call.on('drain', () => call.resume());
    call.on('end', () => call.end());
  };

  answer(request: ReflectionRequest): object {
    switch (request.message_request) {
      case 'list_services':
        return { list_services_response: { service: Object.values(serviceNames).map((name) => ({ name })) } };
      case 'file_by_filename':
        return this.#answerIf(this.#fileNames.includes(request.file_by_filename ?? ''));
      case 'file_containing_symbol':
        return this.#answerIf(this.#isKnown(request.file_containing_symbol ?? ''));
      default:
        return refusal(status.UNIMPLEMENTED, 'there are no extensions here');
    }
  }

  /** A method, field or value is known with what it belongs to. */
  #isKnown(symbol: string): boolean {
    return this.#symbols.includes(symbol) || this.#symbols.includes(symbol.slice(0, Math.max(symbol.lastIndexOf('.'), 0)));
  }

  #answerIf(isKnown: boolean): object {
    if (!isKnown) return refusal(status.NOT_FOUND, 'there is nothing of that name here');
    return { file_descriptor_response: { file_descriptor_proto: this.#files } };
  }
}

function refusal(code: status, message: string): object {
  return { error_response: { error_code: code, error_message: message } };
}

/** It is the first field of a `FileDescriptorProto`, and shorter than 128 bytes. */
function fileName(file: Buffer): string {
  return file.toString('utf8', 2, 2 + (file[1] as number));
}
