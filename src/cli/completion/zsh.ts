import { type CompletedOption, type CompletedVerb, endpointNames, singleQuoted } from './completed-verb.ts';

/** A script for zsh 5 or later, with the summaries of verbs and options. To be evaluated, or put into `$fpath` as `_penstock`. */
export function zshCompletion(verbs: readonly CompletedVerb[]): string {
  const casesOf = ({ path, options }: CompletedVerb, matches: (option: CompletedOption) => boolean) =>
    options
      .filter(matches)
      .map(({ flags, choices }) => ({ cases: flags.map((flag) => singleQuoted(`${path} ${flag}`)).join('|'), choices }));
  const values = verbs
    .flatMap((verb) => casesOf(verb, ({ choices }) => choices.length > 0))
    .map(({ cases, choices }) => `    (${cases}) compadd -- ${choices.map(singleQuoted).join(' ')}; return ;;`);
  const free = verbs
    .flatMap((verb) => casesOf(verb, ({ takesValue, choices }) => takesValue && choices.length === 0))
    .map(({ cases }) => cases);
  const paths = verbs.map(({ path }) => path).filter((path) => path !== '');
  return `#compdef penstock
# Completion of penstock for zsh. Load it after compinit with: eval "$(penstock completion zsh)"
compdef _penstock penstock
_penstock() {
  local verb='' i
  local -a items
  for ((i = 2; i < CURRENT; i++)); do
    case "$verb \${words[i]}" in
      (${paths.map(singleQuoted).join('|')}) verb="$verb \${words[i]}" ;;
    esac
  done
  case "$verb \${words[CURRENT - 1]}" in
${values.join('\n')}
    (${free.join('|')}) _files; return ;;
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    case "$verb" in
${verbs.map((verb) => `      (${singleQuoted(verb.path)}) items=(${optionItems(verb)}) ;;`).join('\n')}
    esac
    _describe -o option items
    return
  fi
  case "$verb" in
${verbs.flatMap(argumentCase).join('\n')}
  esac
  if ((\${#items})); then _describe value items; else _files; fi
}
if [[ \${funcstack[1]} == _penstock ]]; then _penstock "$@"; fi
`;
}

function optionItems({ options }: CompletedVerb): string {
  const items = options.flatMap(({ flags, summary }) => flags.map((flag) => item(flag, summary)));
  return [...items, item('--help', 'show how to use it')].join(' ');
}

function argumentCase({ path, verbs, choices, takesEndpoint }: CompletedVerb): string[] {
  const items = [...verbs.map(({ name, summary }) => item(name, summary)), ...choices.map(singleQuoted)];
  if (items.length > 0) return [`    (${singleQuoted(path)}) items=(${items.join(' ')}) ;;`];
  return takesEndpoint ? [`    (${singleQuoted(path)}) items=(\${(f)"$("\${words[1]}" ${endpointNames})"}) ;;`] : [];
}

/** `_describe` splits an item at its first colon. */
function item(word: string, summary: string): string {
  return singleQuoted(`${word.replaceAll(':', '\\:')}:${summary}`);
}
