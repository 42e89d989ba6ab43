/**
 * Texts of the server for a terminal. They may come from models and from callers with few rights: a description, the last line of a
 * process, an error of a model. Control characters in them could hide what stands before, or write to the clipboard.
 */

/** Also those that reorder what is shown. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are escaped here
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
const shortEscapes: Readonly<Record<string, string>> = { b: '08', f: '0c', r: '0d' };

/** The text with control characters as `\x1b`; line breaks and tabs stay. */
export function terminalText(text: string): string {
  return text.replaceAll(controls, escaped);
}

/** The same for all strings in a JSON text. */
export function terminalJson(json: string): string {
  return json
    .replaceAll(/\\(?:u00([01][0-9a-f]|[7-9][0-9a-f])|([^]))/gi, (all, code: string | undefined, short: string | undefined) => {
      if (short !== undefined) return shortEscapes[short] === undefined ? all : `\\\\x${shortEscapes[short]}`;
      const character = String.fromCharCode(Number.parseInt(code ?? '', 16));
      const shown = terminalText(character);
      return shown === character ? all : `\\${shown}`;
    })
    .replaceAll(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => `\\${escaped(character)}`);
}

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code}`;
}
