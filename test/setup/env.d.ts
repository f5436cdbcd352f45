/** What `vitest.config.ts` hands to tests in every project; a browser has no `process`. */
interface ImportMeta {
  readonly env: { readonly HOLDFAST_LONG: '1' | '' };
}
