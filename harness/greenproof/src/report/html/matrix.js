"use strict";
// Shows the rows that have the chosen verdict and the searched text.
{
  const find = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const filter = () => {
    const words = find("matrix-search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdict = find("matrix-verdict").value;
    let count = 0;
    rows.forEach((row, at) => {
      const fits = !verdict || row.dataset.verdicts.split(" ").includes(verdict);
      row.hidden = !(fits && words.every((word) => texts[at].includes(word)));
      count += row.hidden ? 0 : 1;
    });
    find("matrix-status").textContent = `${count} of ${rows.length} scenarios`;
  };
  find("matrix-search").addEventListener("input", filter);
  find("matrix-verdict").addEventListener("change", filter);
  filter();
}
