/** The Mantine theme, and the design tokens as CSS variables. */
import { type CSSVariablesResolver, createTheme } from '@mantine/core';
import { tokenVariables } from './tokens.ts';

export const theme = createTheme({
  primaryColor: 'water',
  primaryShade: { light: 8, dark: 4 },
  colors: {
    water: ['#e8f6f7', '#d3edef', '#a8dbe0', '#7fcdd5', '#56c4ce', '#35acb8', '#1f939f', '#127c88', '#0b6b77', '#095660'],
  },
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  fontSizes: { xs: '11px', sm: '12px', md: '13px', lg: '14px', xl: '20px' },
  lineHeights: { xs: '16px', sm: '16px', md: '20px', lg: '20px', xl: '28px' },
  spacing: { xs: '4px', sm: '8px', md: '12px', lg: '16px', xl: '24px' },
  radius: { xs: '4px', sm: '6px', md: '10px', lg: '10px', xl: '10px' },
  defaultRadius: 'sm',
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { variant: 'default' } },
    ActionIcon: { defaultProps: { variant: 'default', size: 32 } },
    Modal: {
      defaultProps: {
        centered: true,
        transitionProps: { duration: 0 },
        radius: 'md',
        closeButtonProps: { 'aria-label': 'Close' },
        // Its header element would be a second banner of the page.
        attributes: { header: { role: 'presentation' } },
      },
    },
    Drawer: { defaultProps: { transitionProps: { duration: 0 } } },
    Menu: { defaultProps: { transitionProps: { duration: 0 }, position: 'bottom-end', shadow: 'none' } },
    Tooltip: { defaultProps: { transitionProps: { duration: 0 }, withArrow: false } },
    Select: { defaultProps: { size: 'md', comboboxProps: { transitionProps: { duration: 0 } } } },
    TextInput: { defaultProps: { size: 'md' } },
    // Arrow keys change the value; the stepper buttons of a 32 px field are too small to hit.
    NumberInput: { defaultProps: { size: 'md', hideControls: true } },
    Textarea: { defaultProps: { size: 'md' } },
    PasswordInput: { defaultProps: { size: 'md' } },
    Checkbox: { defaultProps: { size: 'sm' } },
    SegmentedControl: { defaultProps: { transitionDuration: 0, withItemsBorders: false } },
  },
});

/** Maps Mantine's variables to the design tokens, so that components of Mantine and of the kit look alike. */
const shared = {
  '--mantine-color-body': 'var(--surface)',
  '--mantine-color-text': 'var(--ink)',
  '--mantine-color-dimmed': 'var(--ink-2)',
  '--mantine-color-placeholder': 'var(--ink-3)',
  '--mantine-color-anchor': 'var(--accent)',
  '--mantine-color-error': 'var(--bad)',
  '--mantine-color-default': 'var(--surface)',
  '--mantine-color-default-hover': 'var(--hover)',
  '--mantine-color-default-color': 'var(--ink)',
  '--mantine-color-default-border': 'var(--line-2)',
  '--mantine-color-disabled': 'var(--hover)',
  '--mantine-color-disabled-color': 'var(--ink-3)',
};

export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: { ...tokenVariables('light'), ...shared },
  dark: { ...tokenVariables('dark'), ...shared },
});

/** The CSP nonce for styles that are created in the browser. The server writes it into the page. */
export function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
}
