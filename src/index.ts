/** The types of `holdfast`; at run time the browser's or Node's entry is loaded in its place. */
export * from './index.browser.ts';
