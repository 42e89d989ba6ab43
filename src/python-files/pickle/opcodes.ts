/** The opcodes of pickle protocols 0 to 5: what follows each, and what those do that need nothing but the stack. */
import type { PickleMachine } from './machine.ts';
import { aDict, aList, aSet, aTuple, someBytes } from './values.ts';

/** Bytes of the operand, where they do not vary. */
export const fixedOperands: Readonly<Record<number, number>> = {
  0x47: 8, // BINFLOAT
  0x4a: 4, // BININT
  0x4b: 1, // BININT1
  0x4d: 2, // BININT2
  0x68: 1, // BINGET
  0x6a: 4, // LONG_BINGET
  0x71: 1, // BINPUT
  0x72: 4, // LONG_BINPUT
  0x80: 1, // PROTO
  0x82: 1, // EXT1
  0x83: 2, // EXT2
  0x84: 4, // EXT4
  0x95: 8, // FRAME
};

/** An operand with its length before it. */
export interface SizedOperand {
  /** Bytes of the length before the content. */
  readonly sizeBytes: 1 | 4 | 8;
  readonly what: 'text' | 'bytes' | 'integer';
}

/** By opcode. */
export const sizedOperands: Readonly<Record<number, SizedOperand>> = {
  0x42: { sizeBytes: 4, what: 'bytes' }, // BINBYTES
  0x43: { sizeBytes: 1, what: 'bytes' }, // SHORT_BINBYTES
  0x54: { sizeBytes: 4, what: 'text' }, // BINSTRING
  0x55: { sizeBytes: 1, what: 'text' }, // SHORT_BINSTRING
  0x58: { sizeBytes: 4, what: 'text' }, // BINUNICODE
  0x8a: { sizeBytes: 1, what: 'integer' }, // LONG1
  0x8b: { sizeBytes: 4, what: 'integer' }, // LONG4
  0x8c: { sizeBytes: 1, what: 'text' }, // SHORT_BINUNICODE
  0x8d: { sizeBytes: 8, what: 'text' }, // BINUNICODE8
  0x8e: { sizeBytes: 8, what: 'bytes' }, // BINBYTES8
  0x96: { sizeBytes: 8, what: 'bytes' }, // BYTEARRAY8
};

/** The operand is a line of text, or two lines. */
export const lineOperands: ReadonlySet<number> = new Set(Buffer.from('FILSVPgpci', 'latin1'));

/** Opcodes that the reader handles itself. */
export const op = {
  stop: 0x2e,
  build: 0x62,
  frame: 0x95,
  proto: 0x80,
} as const;

type Action = (machine: PickleMachine) => void;

/** Opcodes without operand, except STOP and BUILD. */
export const stackActions: Readonly<Record<number, Action>> = {
  0x28: (machine) => machine.mark(),
  0x29: (machine) => machine.tuple(0), // EMPTY_TUPLE
  0x30: (machine) => machine.popAny(),
  0x31: (machine) => void machine.popMark(),
  0x32: (machine) => machine.push(machine.top()), // DUP
  0x4e: (machine) => machine.push(null), // NONE
  0x51: (machine) => machine.persistent(), // BINPERSID
  0x52: reduce,
  0x5d: (machine) => machine.push(aList), // EMPTY_LIST
  0x61: (machine) => {
    machine.pop(); // APPEND
    machine.addItems();
  },
  0x64: (machine) => {
    machine.popMark(); // DICT
    machine.push(aDict);
  },
  0x65: (machine) => {
    machine.popMark(); // APPENDS
    machine.addItems();
  },
  0x6c: (machine) => machine.list(),
  0x6f: (machine) => {
    const [callee = null, ...args] = machine.popMark(); // OBJ
    machine.call(callee, { kind: 'tuple', items: args });
  },
  0x73: (machine) => {
    const value = machine.pop(); // SETITEM
    machine.setItems([machine.pop(), value]);
  },
  0x74: (machine) => machine.tuple(null),
  0x75: (machine) => machine.setItems(machine.popMark()), // SETITEMS
  0x7d: (machine) => machine.emptyDict(),
  0x81: reduce, // NEWOBJ
  0x85: (machine) => machine.tuple(1),
  0x86: (machine) => machine.tuple(2),
  0x87: (machine) => machine.tuple(3),
  0x88: (machine) => machine.push(null), // NEWTRUE
  0x89: (machine) => machine.push(null), // NEWFALSE
  0x8f: (machine) => machine.push(aSet), // EMPTY_SET
  0x90: (machine) => {
    machine.popMark(); // ADDITEMS
    machine.addItems();
  },
  0x91: (machine) => machine.set(), // FROZENSET
  0x92: (machine) => {
    machine.pop(); // NEWOBJ_EX: the keyword arguments
    reduce(machine);
  },
  0x93: (machine) => machine.stackGlobal(),
  0x94: (machine) => machine.memoize(),
  0x97: (machine) => machine.push(someBytes), // NEXT_BUFFER
  0x98: (machine) => void machine.top(), // READONLY_BUFFER
};

function reduce(machine: PickleMachine): void {
  const args = machine.pop();
  const callee = machine.pop();
  machine.call(callee, args === aTuple ? null : args);
}
