/**
 * AWS's model of each operation's input and output: members, types, limits. Loaded on first use from `assets/aws-shapes.json`, which
 * toolchain/aws-shapes.ts generates.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AwsServiceName } from '../service.ts';

/** The types of AWS's models. */
export type ShapeType =
  | 'structure'
  | 'list'
  | 'map'
  | 'string'
  | 'boolean'
  | 'integer'
  | 'long'
  | 'float'
  | 'double'
  | 'timestamp'
  | 'blob';

/** A row of the table. Shapes refer to each other by name. */
interface Row {
  readonly type: ShapeType;
  readonly members?: Readonly<Record<string, string>>;
  readonly required?: readonly string[];
  readonly member?: string;
  readonly key?: string;
  readonly value?: string;
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly shownPattern?: string;
  readonly enum?: readonly string[];
  readonly sensitive?: boolean;
  readonly error?: { readonly code?: string; readonly status: number };
}

interface OperationRow {
  readonly input?: string;
  readonly output?: string;
  readonly errors?: readonly string[];
  readonly resultWrapper?: string;
}

interface ServiceRow {
  readonly metadata: {
    readonly signingName: string;
    readonly targetPrefix?: string;
    readonly jsonVersion?: string;
    readonly xmlNamespace?: string;
  };
  readonly operations: Readonly<Record<string, OperationRow>>;
  readonly shapes: Readonly<Record<string, Row>>;
}

/** A named type. Members are resolved on first use, because shapes can refer to themselves. */
export class Shape {
  readonly name: string;
  readonly type: ShapeType;
  /** Limits for the length of texts, lists and maps, or for the value of numbers. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** The pattern as errors show it. */
  readonly patternText: string | undefined;
  readonly enumeration: readonly string[] | undefined;
  readonly required: readonly string[];
  readonly isSensitive: boolean;
  readonly #row: Row;
  readonly #find: (name: string) => Shape;
  #members: ReadonlyMap<string, Shape> | null = null;
  #pattern: RegExp | null = null;

  constructor(name: string, row: Row, find: (name: string) => Shape) {
    this.name = name;
    this.type = row.type;
    this.min = row.min;
    this.max = row.max;
    this.patternText = row.shownPattern ?? row.pattern;
    this.enumeration = row.enum;
    this.required = row.required ?? [];
    this.isSensitive = row.sensitive ?? false;
    this.#row = row;
    this.#find = find;
  }

  /** Only for structures. */
  get members(): ReadonlyMap<string, Shape> {
    this.#members ??= new Map(Object.entries(this.#row.members ?? {}).map(([name, shape]) => [name, this.#find(shape)]));
    return this.#members;
  }

  /** The element of a list, or the value of a map. */
  get element(): Shape {
    return this.#find(this.#row.member ?? this.#row.value ?? '');
  }

  /** Only for maps. */
  get key(): Shape {
    return this.#find(this.#row.key ?? '');
  }

  /** Anchored, because Java's patterns match the whole text. */
  get pattern(): RegExp | null {
    if (this.#row.pattern === undefined) return null;
    this.#pattern ??= new RegExp(`^(?:${this.#row.pattern})$`, 'u');
    return this.#pattern;
  }

  get error(): Row['error'] {
    return this.#row.error;
  }
}

/** The shapes of one operation. */
export interface OperationShapes {
  /** Null if the operation takes no input. */
  readonly input: Shape | null;
  readonly output: Shape | null;
  readonly errors: readonly Shape[];
  /** The element that wraps the members of a query response. */
  readonly resultWrapper: string | undefined;
}

/** The model of one service. */
export class ServiceShapes {
  /** The name used in a signature's scope. */
  readonly signingName: string;
  /** The part of `x-amz-target` before the dot. */
  readonly targetPrefix: string | undefined;
  readonly jsonVersion: '1.0' | '1.1';
  readonly xmlNamespace: string | undefined;
  readonly #row: ServiceRow;
  readonly #shapes = new Map<string, Shape>();
  readonly #operations = new Map<string, OperationShapes>();

  constructor(row: ServiceRow) {
    const { signingName, targetPrefix, jsonVersion, xmlNamespace } = row.metadata;
    this.signingName = signingName;
    this.targetPrefix = targetPrefix;
    this.jsonVersion = jsonVersion === '1.0' ? '1.0' : '1.1';
    this.xmlNamespace = xmlNamespace;
    this.#row = row;
  }

  operationNames(): string[] {
    return Object.keys(this.#row.operations);
  }

  /** Null for operations that are not in the table. */
  operation(name: string): OperationShapes | null {
    const retained = this.#operations.get(name);
    if (retained !== undefined) return retained;
    const row = Object.hasOwn(this.#row.operations, name) ? this.#row.operations[name] : undefined;
    if (row === undefined) return null;
    const shapeOf = (shape: string | undefined): Shape | null => (shape === undefined ? null : this.#shape(shape));
    const { input, output, errors = [], resultWrapper } = row;
    const found = {
      input: shapeOf(input),
      output: shapeOf(output),
      errors: errors.map((error) => this.#shape(error)),
      resultWrapper,
    };
    this.#operations.set(name, found);
    return found;
  }

  /** The error shape that has this code in the query protocol, whichever operation declares it. */
  errorOfCode(code: string): Shape | null {
    const found = Object.entries(this.#row.shapes).find(([, { error }]) => error?.code === code);
    return found === undefined ? null : this.#shape(found[0]);
  }

  readonly #shape = (name: string): Shape => {
    const retained = this.#shapes.get(name);
    if (retained !== undefined) return retained;
    const row = this.#row.shapes[name];
    assert(row !== undefined, `missing AWS shape: ${name} is not in assets/aws-shapes.json`);
    const shape = new Shape(name, row, this.#shape);
    this.#shapes.set(name, shape);
    return shape;
  };
}

let table: Readonly<Record<string, ServiceRow>> | null = null;
const services = new Map<string, ServiceShapes>();

/** The model of a service. S3 has none, because its calls are not documents. */
export function shapesOf(service: Exclude<AwsServiceName, 's3'>): ServiceShapes {
  const retained = services.get(service);
  if (retained !== undefined) return retained;
  // This relative path holds for both src/aws/shapes and dist/aws/shapes.
  const file = join(import.meta.dirname, '..', '..', '..', 'assets', 'aws-shapes.json');
  table ??= (JSON.parse(readFileSync(file, 'utf8')) as { services: Record<string, ServiceRow> }).services;
  const row = table[service];
  assert(row !== undefined, `missing AWS service: ${service} is not in assets/aws-shapes.json`);
  const shapes = new ServiceShapes(row);
  services.set(service, shapes);
  return shapes;
}
