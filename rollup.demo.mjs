import { readFileSync } from 'node:fs';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import esbuild from 'rollup-plugin-esbuild';

/** The page's other files go beside its code, as they are. */
const copied = {
  name: 'copied',
  generateBundle() {
    for (const fileName of ['index.html', 'page.css', 'icon.svg'])
      this.emitFile({ type: 'asset', fileName, source: readFileSync(`demo/page/${fileName}`) });
  },
};

export default {
  input: 'demo/page/main.ts',
  // `holdfast/…` is found through this package's own `exports`, as an installed package's would be.
  plugins: [
    nodeResolve({ browser: true, exportConditions: ['browser'] }),
    esbuild({ target: 'es2022', minify: true }),
    copied,
  ],
  output: { file: 'demo-dist/main.js', format: 'es', sourcemap: true },
};
