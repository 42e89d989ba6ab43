/** Schemas of request and response bodies from the tables of settings. */
import { z } from 'zod';
import { type Field, type FieldBody, type FieldInput, type Fields, snakeCase } from '../../fields/index.ts';

/** A schema for each member of a body. */
type Shape<Body> = {
  [Key in keyof Body]-?: undefined extends Body[Key] ? z.ZodOptional<z.ZodType<Exclude<Body[Key], undefined>>> : z.ZodType<Body[Key]>;
};

/** The members of a request: each can be left out, and null removes an optional one. */
export function inputShape<F extends Fields>(fields: F): Shape<FieldInput<F>> {
  return shapeOf(fields, (field) => {
    const { isOptional, default: initial, about } = field;
    const schema = (isOptional ? schemaOf(field).nullable() : schemaOf(field)).optional();
    if (isOptional) return described(schema, initial === undefined ? about : `${about} Default: ${String(initial)}.`);
    return described(initial === undefined ? schema : schema.meta({ default: initial }), about);
  });
}

/** The members of a response. An optional setting that is not set is `unset`. */
export function bodyShape<F extends Fields, Unset extends null | undefined>(fields: F, unset: Unset): Shape<FieldBody<F, Unset>> {
  return shapeOf(fields, (field) => {
    const schema = schemaOf(field);
    const { about, default: initial } = field;
    if (!field.isOptional) return described(schema, about);
    if (unset === undefined) return described(schema.optional(), about);
    return described(schema.nullable(), initial === undefined ? about : `${about} Null: the default of ${String(initial)}.`);
  });
}

function shapeOf<Body>(fields: Fields, schema: (field: Field) => z.ZodType): Shape<Body> {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [snakeCase(name), schema(field)])) as Shape<Body>;
}

const schemas: Readonly<Record<Extract<Field['kind'], string>, () => z.ZodType>> = {
  text: () => z.string(),
  number: () => z.number(),
  duration: () => z.number(),
  percent: () => z.number(),
  usd: () => z.number().nullable(),
  memory: () => z.union([z.literal('auto'), z.number()]),
  boolean: () => z.boolean(),
  names: () => z.array(z.string()),
  schedules: () => z.array(z.string()),
};

function schemaOf({ kind }: Field): z.ZodType {
  return typeof kind === 'string' ? schemas[kind]() : z.enum(kind.choices);
}

function described(schema: z.ZodType, about: string | undefined): z.ZodType {
  return about === undefined ? schema : schema.describe(about);
}
