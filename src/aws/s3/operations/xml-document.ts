/**
 * Parses the small XML documents that S3 clients send. Only elements and text: attributes are ignored and a document type is rejected, so
 * the five predefined entities are the only ones. Input size and depth are bounded.
 */
import { s3Error } from '../s3-errors.ts';

/** An element. */
export interface XmlNode {
  /** Without a namespace prefix. */
  readonly name: string;
  readonly children: readonly XmlNode[];
  /** Its own text with entities decoded, including white space between children. */
  readonly text: string;
}

const depthMax = 8;
/** `#x10ffff;` with some leading zeros. */
const referenceLengthMax = 12;
/** Completing an upload of 10,000 parts takes about 40,000 elements. */
const elementsMax = 50_000;
/** Characters like `&amp;`, of which 1,000 names of objects have a few each. */
const referencesMax = 50_000;

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

interface OpenElement {
  readonly name: string;
  readonly children: XmlNode[];
  text: string;
}

/** Returns the root element. Throws `MalformedXML`. */
export function readXml(bytes: Uint8Array): XmlNode {
  return new XmlReader(textOf(bytes)).document();
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes); // TextDecoder removes a byte order mark.
  } catch {
    throw malformed('it is not UTF-8');
  }
}

class XmlReader {
  readonly #text: string;
  readonly #open: OpenElement[] = [];
  #at = 0;
  #elements = 0;
  #references = 0;
  #root: XmlNode | null = null;

  constructor(text: string) {
    this.#text = text;
  }

  document(): XmlNode {
    while (this.#at < this.#text.length) {
      if (this.#text[this.#at] === '<') this.#markup();
      else this.#characters();
    }
    if (this.#root === null || this.#open.length > 0) throw malformed('it ends too early');
    return this.#root;
  }

  #markup(): void {
    if (this.#startsWith('<?')) this.#skipPast('?>');
    else if (this.#startsWith('<!--')) this.#skipPast('-->');
    else if (this.#startsWith('<![CDATA[')) this.#unparsed();
    else if (this.#startsWith('<!')) throw malformed('a document type is not accepted');
    else if (this.#startsWith('</')) this.#end();
    else this.#begin();
  }

  #begin(): void {
    const close = this.#endOfTag();
    const isEmpty = this.#text[close - 1] === '/';
    const tag = this.#text.slice(this.#at + 1, isEmpty ? close - 1 : close);
    const name = /^[^\s/<>&"'=]+(?=\s|$)/.exec(tag)?.[0];
    if (name === undefined || tag.includes('<')) throw malformed('it has a tag without a name');
    if (this.#root !== null) throw malformed('it has more than one element');
    if (++this.#elements > elementsMax || this.#open.length === depthMax) throw malformed('it is too large or too deep');
    this.#at = close + 1;
    this.#open.push({ name, children: [], text: '' });
    if (isEmpty) this.#finish();
  }

  #end(): void {
    const close = this.#find('>');
    const name = this.#text.slice(this.#at + 2, close).trimEnd();
    if (this.#open.at(-1)?.name !== name) throw malformed('its tags do not match');
    this.#at = close + 1;
    this.#finish();
  }

  #finish(): void {
    const { name, children, text } = this.#open.pop() as OpenElement;
    const node: XmlNode = { name: name.slice(name.indexOf(':') + 1), children, text };
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = node;
    else parent.children.push(node);
  }

  #characters(): void {
    const next = this.#text.indexOf('<', this.#at);
    const end = next < 0 ? this.#text.length : next;
    this.#addText(this.#withoutReferences(this.#text.slice(this.#at, end)));
    this.#at = end;
  }

  #withoutReferences(text: string): string {
    let replaced = '';
    for (let at = 0; ; ) {
      const begin = text.indexOf('&', at);
      if (begin < 0) return replaced + text.slice(at);
      if (++this.#references > referencesMax) throw malformed('it has too many entities');
      const reference = text.slice(begin + 1, begin + 1 + referenceLengthMax);
      const length = reference.indexOf(';');
      if (length < 0) throw malformed('it has a & that starts no entity');
      replaced += text.slice(at, begin) + characterOf(reference.slice(0, length));
      at = begin + 1 + length + 1;
    }
  }

  #unparsed(): void {
    const start = this.#at + '<![CDATA['.length;
    const end = this.#text.indexOf(']]>', start);
    if (end < 0) throw malformed('it ends too early');
    this.#addText(this.#text.slice(start, end));
    this.#at = end + 3;
  }

  #addText(text: string): void {
    const element = this.#open.at(-1);
    if (element !== undefined) element.text += text.replaceAll('\r\n', '\n');
    else if (text.trim() !== '') throw malformed('it has text outside of its element');
  }

  /** Finds the end of the tag, ignoring a `>` within an attribute value. */
  #endOfTag(): number {
    let quote = '';
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const here = this.#text[at] as string;
      if (quote !== '') quote = here === quote ? '' : quote;
      else if (here === '"' || here === "'") quote = here;
      else if (here === '>') return at;
    }
    throw malformed('it ends too early');
  }

  #startsWith(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  #find(text: string): number {
    const at = this.#text.indexOf(text, this.#at);
    if (at < 0) throw malformed('it ends too early');
    return at;
  }

  #skipPast(text: string): void {
    this.#at = this.#find(text) + text.length;
  }
}

/** Decodes the reference `amp`, `#10` or `#xA`. */
function characterOf(name: string): string {
  const known = Object.hasOwn(entities, name) ? entities[name] : undefined;
  if (known !== undefined) return known;
  const digits = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
  const code = digits === null ? -1 : Number.parseInt(digits[1] ?? digits[2] ?? '', digits[1] === undefined ? 10 : 16);
  const isCharacter = code >= 1 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  if (!isCharacter) throw malformed(`the entity ${name} is not accepted`);
  return String.fromCodePoint(code);
}

function malformed(why: string) {
  return s3Error('MalformedXML', `The XML you provided was not well-formed or did not validate against our published schema: ${why}.`);
}

/** The text of the first child with this name; undefined if there is none. */
export function childText(node: XmlNode, name: string): string | undefined {
  return node.children.find((child) => child.name === name)?.text;
}
