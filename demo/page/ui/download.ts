/** Hands the visitor a file. */
export function download(name: string, content: BlobPart[], type = 'application/octet-stream'): void {
  const url = URL.createObjectURL(new Blob(content, { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name.replace(/[\\/\p{Cc}]/gu, '_').slice(0, 120) || 'file';
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
