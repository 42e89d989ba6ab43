/** Every case, in the order of its number. */
import { binaryCases } from './binary-cases.ts';
import { coreCases } from './core-cases.ts';
import { datatypeCases } from './datatype-cases.ts';
import { extensionCases } from './extension-cases.ts';
import type { Case } from './suite.ts';
import { transportCases } from './transport-cases.ts';

export const cases: readonly Case[] = [...coreCases, ...datatypeCases, ...transportCases, ...binaryCases, ...extensionCases];
