// Light, dark, or what the system says. The choice is an attribute of <html>; tokens.css does
// the rest.
export type Theme = "system" | "light" | "dark";

const KEY = "signalbox.theme";

export function rememberedTheme(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system"; // storage may be refused; the choice then lasts as long as the page
  }
}

export function applyTheme(theme: Theme): void {
  const root = document.documentElement;
  if (theme === "system") {
    root.removeAttribute("data-theme");
  } else {
    root.setAttribute("data-theme", theme);
  }
}

export function rememberTheme(theme: Theme): void {
  try {
    if (theme === "system") {
      localStorage.removeItem(KEY);
    } else {
      localStorage.setItem(KEY, theme);
    }
  } catch {
    // see rememberedTheme
  }
}
