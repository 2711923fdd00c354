// The sheet of a part that is fetched late; index.html says where it is.
const loading = new Map<string, Promise<void>>();

export function loadStyle(name: string): Promise<void> {
  let found = loading.get(name);
  if (!found) {
    found = new Promise((resolve, reject) => {
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = document.querySelector<HTMLMetaElement>(`meta[name="${name}-style"]`)?.content ?? "";
      link.onload = () => resolve();
      link.onerror = () => {
        loading.delete(name);
        link.remove();
        reject(new Error(`${name} could not be fetched`));
      };
      document.head.append(link);
    });
    loading.set(name, found);
  }
  return found;
}
