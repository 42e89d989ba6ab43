/** Writes XML. Elements and texts suffice for AWS's responses. */

export type XmlContent = string | number | boolean | Date | null | undefined | XmlElement | readonly XmlContent[];

export interface XmlElement {
  readonly name: string;
  readonly attributes: string;
  readonly content: XmlContent;
  /** Whether control characters are retained. */
  readonly isExact?: boolean;
}

export const xmlDeclaration = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** An element; `null` and `undefined` content is omitted. Names are trusted and not validated. */
export function element(name: string, content: XmlContent, xmlns?: string): XmlElement {
  return { name, attributes: xmlns === undefined ? '' : ` xmlns="${escapeXml(xmlns)}"`, content };
}

/**
 * A text element that retains control characters as character references. XML 1.0 forbids these and strict parsers reject them. S3 sends
 * them in listings nevertheless; clients with strict parsers request percent-encoding.
 */
export function exactElement(name: string, text: string): XmlElement {
  return { name, attributes: '', content: text, isExact: true };
}

/** Times are written as ISO-8601. */
export function writeXml(content: XmlContent): string {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return escapeXml(content);
  if (typeof content === 'number' || typeof content === 'boolean') return String(content);
  if (content instanceof Date) return content.toISOString();
  if (isList(content)) {
    let text = '';
    for (const each of content) text += writeXml(each);
    return text;
  }
  const { content: inside } = content;
  const inner = content.isExact === true && typeof inside === 'string' ? escapeExactly(inside) : writeXml(inside);
  return inner === '' ? `<${content.name}${content.attributes}/>` : `<${content.name}${content.attributes}>${inner}</${content.name}>`;
}

function isList(content: object): content is readonly XmlContent[] {
  return Array.isArray(content);
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\r': '&#13;', '\n': '&#10;' };

/** Characters that XML 1.0 cannot represent (most control characters, unpaired surrogates) become U+FFFD. */
export function escapeXml(text: string): string {
  if (!/[&<>"\r\n\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/.test(text)) return text;
  return text
    .toWellFormed()
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replaceAll(/[&<>"\r\n]/g, (character) => entities[character] as string);
}

function escapeExactly(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[&<>"]/g, (character) => entities[character] as string)
    .replaceAll(/[\u0000-\u001f\ufffe\uffff]/g, (character) => `&#${character.charCodeAt(0)};`);
}
